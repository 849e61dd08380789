"""Batches: whose transitions they are of, how they are weighed, and where their actions lie."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from fvm_learners.c2f_arm import C2FARM
from fvm_learners.c2f_arm.batches import EqualShares


def taken(agent, rng=0, **changes):
    agent.config = replace(agent.config, **changes)
    return agent.make_batch([0], np.random.default_rng(rng))


def make(ball, demos, config):
    envs = ball()
    agent = C2FARM(envs.single_observation_space, envs.single_action_space, config, seed=0)
    agent.add_demonstrations(demos(3))
    return agent


def test_a_batch_is_of_the_tasks_asked_for(ball, demos, tiny):
    envs = ball()
    agent = C2FARM(envs.single_observation_space, envs.single_action_space, tiny, seed=0, num_tasks=2)
    agent.add_demonstrations(demos(1), task=1)
    assert agent.ready_tasks == [1]
    assert set(agent.make_batch([1], np.random.default_rng(0)).task_index) == {1}


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


def test_shares_weights_and_discounts_by_hand(ball, demos, tiny):
    """Three tasks share 8; of a task with priorities 1, 1, ..., 4 the last has 4/n of the mean's chance."""
    envs = ball()
    config = replace(tiny, importance_exponent=0.5, priority_exponent=1.0, discount=0.9)
    agent = C2FARM(envs.single_observation_space, envs.single_action_space, config, seed=0, num_tasks=3)
    for task in range(3):
        agent.add_demonstrations(demos(1, keyframes=(5, 11)), task=task)
    replay = agent.replays[0]
    rows = np.flatnonzero(replay._tree.priorities > 0)
    replay.update_priorities(rows, np.array([1.0, 1.0, 1.0, 1.0, 1.0, 4.0]))
    latent = torch.arange(3.0)[:, None]
    batch = agent.make_batch([0, 1, 2], np.random.default_rng(3), latent)
    assert batch.task_index.tolist() == [0, 0, 0, 1, 1, 1, 2, 2]
    assert batch.latent[:, 0].tolist() == [0, 0, 0, 1, 1, 1, 2, 2]
    done = batch.reward == 1
    np.testing.assert_allclose(batch.discount, np.where(done, 0.0, 0.9), rtol=1e-6)
    likelihood = np.ones(8)  # chance times the number of transitions, 6
    likelihood[:3] = np.where(batch.rows[:3] == rows[-1], 6 * 4 / 9, 6 / 9)
    weight = likelihood**-0.5
    np.testing.assert_allclose(batch.weight, weight / weight.max(), rtol=1e-5)
    assert batch.next_rows.tolist() == np.flatnonzero(~done.numpy()).tolist()


def test_equal_shares_have_no_latent():
    assert EqualShares().latent(None, [], np.zeros(3, np.int64), np.random.default_rng(0)) is None
