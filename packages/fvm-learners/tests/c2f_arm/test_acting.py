"""The pose that is chosen: a beam against all paths, and exploration against its probabilities."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from fvm_learners.c2f_arm import C2FARMConfig
from fvm_learners.c2f_arm.acting import choose
from fvm_learners.c2f_arm.scene import Scene
from fvm_learners.c2f_arm.views import Eye
from fvm_learners.c2f_arm.voxels import Cloud

EYE = Eye(("front",), (), 2, 2, (), False)
CONFIG = C2FARMConfig(
    bounds=(0, 0, 0, 4, 4, 4), grid_sizes=(4, 4), half_sides=(1.0,), rotation_bins=4, low_dim=()
)


class Values:
    """Q of the first grid's voxels [64], of the second's in each of them [64, 64]; no rotation or gripper."""

    def __init__(self, first, second):
        self.first, self.second = first, second

    def look(self, network, scene, depth, centre, config, eye, stride=1):
        if depth == 0:
            return self.first.expand(len(centre), -1), torch.zeros(len(centre), 1)
        x, y, z = centre.long().unbind(1)  # the first grid's voxels have sides of 1
        return self.second[(x * 4 + y) * 4 + z], torch.zeros(len(centre), 1)

    def values(self, features, voxel):
        return torch.zeros(len(voxel), 14)


@pytest.fixture
def chosen(monkeypatch):
    """Positions [B, 3] that are chosen by such values at B moments."""

    def choices(values, config, moments=1, rngs=None):
        monkeypatch.setattr("fvm_learners.c2f_arm.acting.look", values.look)
        nothing = torch.zeros(3, 0), torch.zeros(3, 0), torch.zeros(0, dtype=torch.long)
        cloud = Cloud(*nothing, torch.zeros(0, dtype=torch.long), (0,) * moments)
        still = torch.zeros(moments, 1, 3, 3), torch.zeros(moments, 1, 3)
        depths = len(config.grid_sizes)
        scene = Scene(cloud, torch.zeros(moments, 0), *still)
        return choose([values] * depths, scene, config, EYE, rngs)[:, :3]

    return choices


def place(first, second):
    """The centre of a voxel of .5 m within the cube of 2 m about the first grid's voxel of 1 m."""
    coarse, fine = (np.array(np.unravel_index(voxel, (4, 4, 4))) for voxel in (first, second))
    return coarse + 0.5 - 1.0 + 0.5 * (fine + 0.5)


@pytest.mark.parametrize("beam", [1, 2, 5, 64])
def test_a_beam_finds_the_largest_sum_among_the_paths_it_keeps(chosen, beam):
    rng = torch.Generator().manual_seed(0)
    values = Values(torch.randn(64, generator=rng), 2 * torch.randn(64, 64, generator=rng))
    kept = values.first.topk(beam).indices.tolist()
    sums = {(i, j): values.first[i] + values.second[i, j] for i, j in itertools.product(kept, range(64))}
    best = max(sums, key=sums.get)
    assert chosen(values, replace(CONFIG, beam=beam), moments=2) == pytest.approx(
        np.stack([place(*best)] * 2)
    )
    if beam == 64:  # of all there are
        whole = (values.first[:, None] + values.second).argmax().item()
        assert best == divmod(whole, 64)


def test_boltzmann_s_voxels_are_drawn_by_their_probabilities_within_the_workspace(chosen):
    config = replace(
        CONFIG,
        grid_sizes=(4,),
        half_sides=(),
        exploration="boltzmann",
        temperature=0.7,
        workspace=(0, 0, 0, 4, 4, 2),
    )
    values, num = Values(torch.randn(64, generator=torch.Generator().manual_seed(1)), None), 4_000
    drawn = chosen(values, config, num, [np.random.default_rng(i) for i in range(num)])
    seen = np.zeros((4, 4, 4))
    np.add.at(seen, tuple(drawn.astype(int).T), 1 / num)
    wanted = np.exp(values.first.numpy().astype(float) / 0.7).reshape(4, 4, 4)
    wanted[:, :, 2:] = 0  # their centres lie above
    wanted /= wanted.sum()
    assert np.abs(seen - wanted).max() < 4 * np.sqrt(wanted.max() / num)
    assert ((seen - wanted) ** 2 / np.maximum(wanted, 1e-9)).sum() * num < 62  # 31 degrees, p = .001
