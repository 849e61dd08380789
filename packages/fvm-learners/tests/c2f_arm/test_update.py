"""Targets, loss and augmentation against numbers worked out by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from fvm_learners.c2f_arm import C2FARM, C2FARMConfig, scene
from fvm_learners.c2f_arm.augmentation import draw_motions, rotation_bins
from fvm_learners.c2f_arm.c2f_arm import ArmBatch, c2f_arm_loss, next_values
from fvm_learners.c2f_arm.rotation import matrices_of
from fvm_learners.c2f_arm.scene import Scene
from fvm_learners.c2f_arm.views import Eye
from fvm_learners.c2f_arm.voxels import Cloud

EYE = Eye(("front",), (), 2, 2, (), False)
CONFIG = C2FARMConfig(grid_sizes=(4, 4), half_sides=(0.2,), rotation_bins=4, imitation_scale=1.0, low_dim=())


class Table(torch.nn.Module):
    """Says the same Q at every moment, and remembers where it was asked."""

    kind = "patch"

    def __init__(self, voxels, values=None):
        super().__init__()
        self.q, self.v = voxels, values

    def forward(self, grid, low_dim, latent):
        self.seen = grid
        return self.q.expand(len(grid), -1), None

    def values(self, features, voxel):
        self.asked = voxel
        return self.v.expand(len(voxel), -1)


def moments(num):
    nothing = torch.zeros(3, 0), torch.zeros(3, 0), torch.zeros(0, dtype=torch.long)
    cloud = Cloud(*nothing, torch.zeros(0, dtype=torch.long), (0,) * num)
    return Scene(cloud, torch.zeros(num, 0), torch.zeros(num, 1, 3, 3), torch.zeros(num, 1, 3))


def voxels(**peaks):
    q = torch.zeros(64)
    for index, value in peaks.items():
        q[int(index[1:])] = value
    return q


def test_values_of_the_next_state_by_hand():
    """Argmax by the online networks, values by the target's: .3, and the mean of .5, .1, .2, .3, .4."""
    online = [
        Table(voxels(v7=1.0)),
        Table(voxels(v9=1.0), torch.tensor([0, 1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0])),
    ]
    theirs = torch.tensor([9, 0.1, 9, 9, 9, 0.2, 9, 9, 9, 0.3, 9, 9, 9, 0.4])
    target = [Table(voxels(v7=0.3, v1=5.0)), Table(voxels(v9=0.5, v2=5.0), theirs)]
    values = next_values(moments(2), online, target, CONFIG, EYE)
    torch.testing.assert_close(values, torch.tensor([[0.3, 0.3], [0.3, 0.3]]))
    assert target[1].asked.tolist() == [9, 9]


def test_a_voxel_out_of_the_workspace_is_never_the_best():
    config = replace(CONFIG, bounds=(0, 0, 0, 4, 4, 4), half_sides=(1.0,), workspace=(0, 0, 1, 4, 4, 4))
    online = [Table(voxels(v0=9.0, v1=1.0)), Table(torch.zeros(64), torch.zeros(14))]
    target = [Table(voxels(v0=7.0, v1=0.2)), Table(torch.zeros(64), torch.zeros(14))]
    assert next_values(moments(1), online, target, config, EYE)[0, 0] == pytest.approx(0.2)


def batch(weight=1.0, demonstrated=False):
    return ArmBatch(
        scene=moments(1),
        centres=torch.zeros(2, 1, 3),
        voxels=torch.tensor([[3], [5]]),
        bins=torch.tensor([[0, 1, 2, 1]]),
        reward=torch.tensor([0.5]),
        discount=torch.tensor([0.9]),
        demonstrated=torch.tensor([demonstrated]),
        weight=torch.tensor([weight]),
        task_index=np.zeros(1, dtype=np.int64),
        rows=np.zeros(1, dtype=np.int64),
        latent=None,
        next_values=torch.tensor([[1.0, -2.0]]),
        next_rows=torch.zeros(0, dtype=torch.long),
        next_scene=None,
    )


ROTATION = torch.tensor([0.2, 0, 0, 0, 0, 0.4, 0, 0, 0, 0, -0.6, 0, 0, 0.8])


def networks():
    return [Table(voxels(v3=0.4)), Table(voxels(v5=2.0), ROTATION)]


def test_the_loss_by_hand():
    """Targets .5 + .9 = 1.4, and max(.5 - 1.8, 0) = 0."""
    loss, priority, _ = c2f_arm_loss(batch(weight=0.5), batch().next_values, networks(), CONFIG, EYE)
    first = 0.5 * 1.0**2 + 0.4 / 64  # huber(.4 - 1.4), mean |Q|
    parts = [2.0 - 0.5, 0.5 * 0.2**2, 0.5 * 0.4**2, 0.5 * 0.6**2, 0.5 * 0.8**2]
    second = sum(parts) / 5 + 2.0 / 64 + 2.0 / 14
    assert loss.item() == pytest.approx(0.5 * (first + second), rel=1e-5)
    assert priority.item() == pytest.approx(2.0)  # each depth's over the largest in the batch


def test_chained_priorities_count_the_first_depth_twice():
    config = replace(CONFIG, quirks=("chained_priorities",))
    assert c2f_arm_loss(batch(), batch().next_values, networks(), config, EYE)[1].item() == pytest.approx(3.0)


def test_cross_entropy_of_a_demonstrated_action_by_hand():
    config = replace(CONFIG, imitation=1.0, label_width=1e-3, translation_regularisation=0.0)
    plain = c2f_arm_loss(batch(), batch().next_values, networks(), config, EYE)[0]
    told = c2f_arm_loss(batch(demonstrated=True), batch().next_values, networks(), config, EYE)[0]

    def entropy(q, others):
        return -q + math.log(math.exp(q) + others)

    expected = entropy(0.4, 63) + entropy(2.0, 63) + entropy(0.8, 1)
    expected += sum(entropy(q, 3) for q in (0.2, 0.4, -0.6))
    assert (told - plain).item() == pytest.approx(expected, rel=1e-5)


def test_labels_are_smoothed_round_the_circle():
    """Width 1 of 4 bins: weights 1, e^-1/2, e^-2, e^-1/2 about the bin."""
    config = replace(CONFIG, imitation=1.0)
    values = torch.zeros(14)
    values[3] = 1.0  # the neighbour of bin 0 on the other side
    with_peak = [Table(torch.zeros(64)), Table(torch.zeros(64), values)]
    flat = [Table(torch.zeros(64)), Table(torch.zeros(64), torch.zeros(14))]
    near = math.exp(-0.5) / (1 + 2 * math.exp(-0.5) + math.exp(-2))
    losses = [
        c2f_arm_loss(batch(demonstrated=True), batch().next_values, nets, config, EYE)[0]
        - c2f_arm_loss(batch(), batch().next_values, nets, config, EYE)[0]
        for nets in (with_peak, flat)
    ]
    gained = math.log(4) - (-near + math.log(math.e + 3))
    assert (losses[1] - losses[0]).item() == pytest.approx(gained, abs=1e-5)


def test_a_motion_moves_points_cameras_and_actions_alike():
    config = C2FARMConfig(yaw_degrees=45, shift=(0.1, 0.1, 0.03))
    rng = np.random.default_rng(0)
    position = rng.uniform([0, -0.2, 0.8], [0.4, 0.2, 1.0], (50, 3))
    motion = draw_motions(position, config, rng)
    moved = motion.points(position)
    assert (np.abs(moved - position).max(axis=0) > 0.05)[:2].all()
    # A camera's points p = t + d R ray: moved cameras show moved points.
    rotation, translation = rng.standard_normal((50, 1, 3, 3)), rng.standard_normal((50, 1, 3))
    turned, shifted = motion.rays(rotation, translation)
    ray = np.array([3.0, 4.0, 1.0]) * 0.7
    seen = motion.points(translation + rotation @ ray)
    np.testing.assert_allclose(shifted + turned @ ray, seen, atol=1e-12)
    # Distances to the axis of the turn change by the shift alone.
    np.testing.assert_allclose(np.linalg.det(motion.turn), 1.0)
    assert (np.abs(moved[:, 2] - position[:, 2]) <= 0.03).all()


def test_motions_keep_actions_in_bounds():
    config = C2FARMConfig(yaw_degrees=45, shift=(0.3, 0.3, 0.3), workspace=(0, -0.3, 0.75, 0.5, 0.3, 1.2))
    rng = np.random.default_rng(1)
    position = rng.uniform([0.01, -0.29, 0.76], [0.49, 0.29, 1.19], (200, 3))
    moved = draw_motions(position, config, rng).points(position)
    assert (moved >= [0, -0.3, 0.75]).all()
    assert (moved <= [0.5, 0.3, 1.2]).all()


def test_symmetric_grasps_have_one_label():
    config = C2FARMConfig(gripper_symmetry=True)
    q = np.array([[1.0, 0, 0, 0], [0, 1.0, 0, 0]])  # half turns about x and y: both look down
    assert np.allclose(matrices_of(q)[:, :, 2], [0, 0, -1])
    bins = rotation_bins(q, np.broadcast_to(np.eye(3), (2, 3, 3)), config)
    assert bins[0].tolist() == bins[1].tolist()
    plain = rotation_bins(q, np.broadcast_to(np.eye(3), (2, 3, 3)), C2FARMConfig())
    assert plain[0].tolist() != plain[1].tolist()


def taken(agent, rng=0, **changes):
    agent.config = replace(agent.config, **changes)
    return agent.make_batch([0], np.random.default_rng(rng))


def make(ball, demos, config):
    envs = ball()
    agent = C2FARM(envs.single_observation_space, envs.single_action_space, config, seed=0)
    agent.add_demonstrations(demos(3))
    return agent


def test_a_batchs_action_lies_in_its_voxels_and_its_scene_moves_with_it(ball, demos, tiny):
    """The ball's red points lie about the last keyframe's action, wherever augmentation puts both."""
    agent = make(ball, demos, tiny)
    drawn = taken(agent)
    grids = tiny.grids
    fine = grids.position(1, drawn.centres[1].double().numpy(), grids.unflat(1, drawn.voxels[1].numpy()))
    red = drawn.scene.cloud.rgb[0] > 0.9
    last = np.flatnonzero(drawn.reward.numpy() == 1)
    assert len(last)
    for i in last:
        own = red & (drawn.scene.cloud.sample == i)
        middle = drawn.scene.cloud.xyz[:, own].mean(dim=1).numpy()
        assert np.linalg.norm(middle - fine[i]) < 0.05


@pytest.mark.parametrize("quirk", ["corner_centres", "unguarded_jitter"])
def test_quirks_of_the_finer_grid_differ(ball, demos, tiny, quirk):
    plain, odd = (taken(make(ball, demos, tiny), quirks=quirks, jitter=0.75) for quirks in ((), (quirk,)))
    np.testing.assert_array_equal(plain.rows, odd.rows)
    assert not torch.equal(plain.centres[1], odd.centres[1])
    if quirk == "unguarded_jitter":
        again = taken(make(ball, demos, replace(tiny, yaw_degrees=0, shift=(0, 0, 0))), quirks=(quirk,))
        more = taken(make(ball, demos, replace(tiny, yaw_degrees=0, shift=(0, 0, 0))), rng=1, quirks=(quirk,))
        shared = set(again.rows.tolist()) & set(more.rows.tolist())
        for row in shared:  # a transition's jitter is always the same
            one, two = list(again.rows).index(row), list(more.rows).index(row)
            torch.testing.assert_close(again.centres[1, one], more.centres[1, two])


def test_the_pixel_crop_hides_points_far_from_the_finer_grids_centre(ball, demos, tiny, monkeypatch):
    agent = make(ball, demos, tiny)
    drawn = taken(agent)
    inside = scene._in_crop(drawn.scene, drawn.centres[1], agent.eye)
    assert inside.all()  # pictures of 32 pixels are smaller than the crop
    monkeypatch.setattr(scene, "CROP_PIXELS", 8)
    inside = scene._in_crop(drawn.scene, drawn.centres[1], agent.eye)
    assert 0 < inside.sum() < len(inside)
    # What stays is 8 x 8 pixels at most of each sample.
    assert torch.bincount(drawn.scene.cloud.sample[inside]).max() <= 64
