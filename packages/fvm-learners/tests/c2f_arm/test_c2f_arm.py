"""Targets, loss and augmentation against numbers worked out by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from fvm_learners.c2f_arm import C2FARMConfig
from fvm_learners.c2f_arm.c2f_arm import ArmBatch, c2f_arm_loss, next_values
from fvm_learners.c2f_arm.scene import Scene
from fvm_learners.c2f_arm.views import Eye
from fvm_learners.c2f_arm.voxels import Cloud

EYE = Eye(("front",), (), 2, 2, (), False)
CONFIG = C2FARMConfig(grid_sizes=(4, 4), half_sides=(0.2,), rotation_bins=4, imitation_scale=1.0, low_dim=())


class Table(torch.nn.Module):
    """Says the same Q at every moment, and remembers where it was asked."""

    kind, needs_float32 = "patch", False

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


def test_chained_priorities_of_three_depths_count_the_first_three_times_and_the_second_twice():
    """Each depth's own priority is 1, the largest of a batch of one."""
    config = replace(CONFIG, grid_sizes=(4, 4, 4), half_sides=(0.2, 0.1), quirks=("chained_priorities",))
    deeper = replace(
        batch(),
        centres=torch.zeros(3, 1, 3),
        voxels=torch.tensor([[3], [3], [5]]),
        next_values=torch.zeros(1, 3),
    )
    nets = [Table(voxels(v3=0.4)), Table(voxels(v3=0.7)), Table(voxels(v5=2.0), ROTATION)]
    priority = c2f_arm_loss(deeper, deeper.next_values, nets, config, EYE)[1]
    assert priority.item() == pytest.approx(3 + 2 + 1)


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
