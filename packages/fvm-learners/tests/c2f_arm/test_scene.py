"""What networks look at: grids about a centre by hand, and what may be chosen of them."""

from dataclasses import replace

import numpy as np
import torch
from fvm_learners.c2f_arm import C2FARM, C2FARMConfig, scene
from fvm_learners.c2f_arm.scene import NEVER, centre_of, low_corner, masked, reachable


def taken(agent, rng=0, **changes):
    agent.config = replace(agent.config, **changes)
    return agent.make_batch([0], np.random.default_rng(rng))


def make(ball, demos, config):
    envs = ball()
    agent = C2FARM(envs.single_observation_space, envs.single_action_space, config, seed=0)
    agent.add_demonstrations(demos(3))
    return agent


CONFIG = C2FARMConfig(bounds=(0, 0, 0, 4, 8, 4), grid_sizes=(4, 4), half_sides=(1.0,), low_dim=())


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


def test_corners_sides_and_centres_by_hand():
    """Voxels of 1 x 2 x 1 m; in the finer grid of .5 m. Voxel 27 of 4^3 is (1, 2, 3)."""
    centre = torch.tensor([[1.0, 2.0, 3.0]])
    low, cell = low_corner(CONFIG, 0, centre)
    assert (low.tolist(), cell.tolist()) == ([[0, 0, 0]], [1, 2, 1])
    low, cell = low_corner(CONFIG, 1, centre)
    assert (low.tolist(), cell.tolist()) == ([[0, 1, 2]], [0.5, 0.5, 0.5])
    assert centre_of(CONFIG, 0, centre, torch.tensor([27])).tolist() == [[1.5, 5.0, 3.5]]
    assert centre_of(CONFIG, 1, centre, torch.tensor([27])).tolist() == [[0.75, 2.25, 3.75]]


def test_what_may_be_chosen_overlaps_the_workspace_and_at_last_has_its_centre_in_it():
    config = replace(CONFIG, workspace=(0, 0, 0, 4, 8, 1.25))
    first = reachable(config, 0, torch.zeros(1, 3)).view(4, 4, 4)
    assert first[0, 0].tolist() == [True, True, False, False]  # z from 0, 1, 2 and 3 on
    last = reachable(config, 1, torch.tensor([[1.0, 1.0, 1.0]])).view(4, 4, 4)
    assert last[0, 0].tolist() == [True, True, False, False]  # middles at .25, .75, 1.25, 1.75
    assert reachable(CONFIG, 0, torch.zeros(1, 3)) is None
    q = torch.zeros(1, 64)
    assert (masked(q, first.view(1, -1)) == NEVER).sum() == 32
    assert masked(q, None) is q


def test_a_repeated_scene_has_each_moment_so_often_in_a_row(ball, demos, tiny):
    drawn = taken(make(ball, demos, tiny))
    twice = drawn.scene.repeated(2)
    assert torch.equal(twice.low_dim, drawn.scene.low_dim.repeat_interleave(2, dim=0))
    np.testing.assert_array_equal(
        np.bincount(twice.cloud.sample.numpy()), np.bincount(drawn.scene.cloud.sample.numpy()).repeat(2)
    )
    assert drawn.scene.repeated(1) is drawn.scene
