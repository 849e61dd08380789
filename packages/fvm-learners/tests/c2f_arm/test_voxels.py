import numpy as np
import pytest
import torch
from fvm_learners.c2f_arm.voxels import CHANNELS, Cloud, arm_grid, cloud_of, patch_grid, voxelise

SIZE = 8


def naive(xyz, rgb, sample, num_samples, low, cell, size):
    """One point after the other, in float32."""
    grid = np.zeros((CHANNELS, num_samples, size, size, size), dtype=np.float32)
    count = np.zeros((num_samples, size, size, size), dtype=np.int64)
    for point, colour, b in zip(xyz.T, rgb.T, sample, strict=True):
        index = np.floor((point - low[b]) / (cell + 1e-12).astype(np.float32)).astype(int)
        if (index < 0).any() or (index >= size).any():
            continue
        at = (b, *index)
        for channel, value in enumerate((*point, *colour)):
            grid[(channel, *at)] += value
        count[at] += 1
    grid[:-1] /= np.maximum(count, 1).astype(np.float32)
    grid[-1] = count > 0
    return grid


@pytest.fixture
def points():
    rng = np.random.default_rng(3)
    counts = (700, 0, 400)
    num = sum(counts)
    return Cloud(
        torch.from_numpy(rng.uniform(-0.7, 0.7, (3, num)).astype(np.float32)),
        torch.from_numpy(rng.uniform(-1, 1, (3, num)).astype(np.float32)),
        torch.from_numpy(np.repeat(np.arange(3), counts)),
        torch.arange(num),
        counts,
    )


def test_it_equals_a_loop_over_the_points_bit_for_bit(points):
    low = torch.tensor([[-0.5, -0.5, -0.5], [0, 0, 0], [-0.3, -0.6, -0.2]])
    cell = torch.full((3,), 0.1)
    grid = voxelise(points, low, cell, SIZE)
    parts = (points.xyz, points.rgb, points.sample)
    expected = naive(*(part.numpy() for part in parts), 3, low.numpy(), cell.numpy(), SIZE)
    np.testing.assert_array_equal(grid.numpy(), expected)
    assert 0 < grid[-1].sum() < grid[-1].numel()
    assert not grid[:, 1].any()


def test_arms_channels_stand_in_its_order(points):
    grid = voxelise(points, torch.full((3, 3), -0.4), torch.full((3,), 0.1), SIZE)
    shown = arm_grid(grid)
    assert shown.shape == (3, SIZE, SIZE, SIZE, 10)
    torch.testing.assert_close(shown[2, 1, 2, 3, :6], grid[:-1, 2, 1, 2, 3], rtol=0, atol=0)
    torch.testing.assert_close(shown[2, 1, 2, 3, 6:9], torch.tensor([1, 2, 3]) / SIZE)
    assert shown[2, 1, 2, 3, 9] == grid[-1, 2, 1, 2, 3]


def test_a_patch_has_its_eight_voxels_with_places_scaled_to_the_grid(points):
    low, cell = torch.full((3, 3), -0.4), torch.full((3,), 0.1)
    grid = voxelise(points, low, cell, SIZE)
    patches = patch_grid(points, low, cell, SIZE).view(3, 4, 4, 4, 2, 2, 2, CHANNELS)
    x, y, z = 5, 2, 7
    voxel = patches[0, x // 2, y // 2, z // 2, x % 2, y % 2, z % 2]
    own = grid[:, 0, x, y, z]
    torch.testing.assert_close(voxel[:3], own[:3] / 0.4 * own[-1])
    torch.testing.assert_close(voxel[3:], own[3:])
    assert patches[..., :3].abs().max() <= 1


def test_a_grid_in_another_order_holds_the_same_voxels(points):
    low, cell = torch.full((3, 3), -0.4), torch.full((3,), 0.1)
    order = torch.randperm(SIZE**3, generator=torch.Generator().manual_seed(0))
    plain = voxelise(points, low, cell, SIZE).flatten(2)
    ordered = voxelise(points, low, cell, SIZE, order).flatten(2)
    torch.testing.assert_close(ordered[:, :, order], plain, rtol=0, atol=0)


def test_points_are_those_of_a_pinhole_camera():
    """A camera at (0, 0, 2) looking down, focal length 4 pixels, 4 x 4 pixels, depth 1 everywhere."""
    turn = np.diag([1.0, -1.0, -1.0]) @ np.linalg.inv([[4.0, 0, 2], [0, 4, 2], [0, 0, 1]])
    u, v = np.meshgrid(np.arange(4) + 0.5, np.arange(4) + 0.5)
    rays = torch.from_numpy(np.stack([u.ravel(), v.ravel(), np.ones(16)])).float()
    rgb = torch.arange(48, dtype=torch.uint8).view(1, 1, 3, 16)
    cloud = cloud_of(
        rgb,
        torch.ones(1, 1, 16),
        rays,
        torch.from_numpy(turn).float().view(1, 1, 3, 3),
        torch.tensor([[[0.0, 0.0, 2.0]]]),
        torch.tensor([-0.3, -1.0, 0.0]),
        torch.tensor([1.0, 1.0, 2.0]),
    )
    # Pixel (u, v) is at ((u + .5 - 2) / 4, -(v + .5 - 2) / 4, 1); the first column, x = -.375, is outside.
    assert cloud.counts == (12,)
    torch.testing.assert_close(cloud.xyz[:, 0], torch.tensor([-0.125, 0.375, 1.0]))
    torch.testing.assert_close(cloud.rgb[:, 0], torch.tensor([1.0, 17.0, 33.0]) / 127.5 - 1)
    assert cloud.pixel.tolist() == [i for i in range(16) if i % 4]


def test_a_repeated_sample_has_the_same_grid(points):
    low, cell = torch.full((6, 3), -0.4), torch.full((3,), 0.1)
    once = voxelise(points, low[:3], cell, SIZE)
    twice = voxelise(points.repeated(2), low, cell, SIZE)
    torch.testing.assert_close(twice, once.repeat_interleave(2, dim=1), rtol=0, atol=0)
