import numpy as np
import pytest
from fvm_envs.manipulation.point_cloud import points


def test_a_point_by_hand():
    depth = np.zeros((2, 4))
    depth[1, 3] = 2.0
    pose = np.eye(4)
    pose[:3, :3] = [[0, 0, 1], [-1, 0, 0], [0, -1, 0]]  # looks along x, to the right is -y, downwards -z
    pose[:3, 3] = (10, 20, 30)
    k = np.array([[4.0, 0, 2.0], [0, 4.0, 1.0], [0, 0, 1]])
    # Pixel (3, 1): K^-1 (3.5, 1.5, 1) = (.375, .125, 1), two metres ahead.
    np.testing.assert_allclose(points(depth, pose, k)[1, 3], (12, 20 - 0.75, 30 - 0.25))
    assert points(depth, pose, k).shape == (2, 4, 3)
    assert points(depth, pose, k).dtype == np.float32
    many = points(
        np.stack([depth] * 6).reshape(2, 3, 2, 4), np.tile(pose, (2, 3, 1, 1)), np.tile(k, (2, 3, 1, 1))
    )
    np.testing.assert_array_equal(many[1, 2], points(depth, pose, k))


@pytest.mark.manipulation
def test_depth_gives_the_observed_points():
    from fvm_envs import make_vec

    envs = make_vec(
        "rlbench/pick_up_cup,rlbench/stack_wine", 2, 5, cameras=("front", "wrist"), image_size=(24, 32)
    )
    obs, _ = envs.reset()
    for camera in ("front", "wrist"):
        parts = [obs[f"{camera}_{part}"] for part in ("depth", "camera_extrinsics", "camera_intrinsics")]
        np.testing.assert_allclose(points(*parts), obs[f"{camera}_point_cloud"], atol=2e-6)
    envs.close()


@pytest.mark.parametrize(
    "shapes", [((4,), (4, 4), (3, 3)), ((2, 4, 4), (4, 4), (3, 3)), ((4, 4), (3, 4), (3, 3))]
)
def test_shapes_that_do_not_fit(shapes):
    with pytest.raises(ValueError, match=r"expected \[..., H, W\], \[..., 4, 4\] and \[..., 3, 3\]"):
        points(*(np.ones(shape) for shape in shapes))
