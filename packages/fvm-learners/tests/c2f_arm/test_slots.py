"""Steps of slots on their way into replays: times, ends, tasks, and arrays that envs use again."""

from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
import torch
from fvm_learners.c2f_arm import C2FARM
from fvm_learners.c2f_arm.slots import NO_ROW, ArmSlots
from fvm_learners.c2f_arm.views import FIELDS, Eye
from gymnasium.vector import AutoresetMode


def make(envs, config, **options):
    return C2FARM(
        envs.single_observation_space, envs.single_action_space, config, seed=0, episode_length=3, **options
    )


def test_observations_that_are_overwritten_are_copied(ball, tiny):
    """The same steps with fresh arrays and with arrays that the env reuses give the same replay."""
    agents = []
    for reuse in (False, True):
        envs = ball(reuse=reuse)
        agent = make(envs, replace(tiny, learn_start=1_000, exploration="noise"))
        agent.iteration(envs)
        agents.append(agent)
    frames = [agent.replays[0].state_dict()["frames"] for agent in agents]
    for name in FIELDS:
        assert torch.equal(frames[0][name], frames[1][name])
    assert agents[0].replays[0].num_transitions == 8


@pytest.mark.parametrize("mode", [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP, AutoresetMode.DISABLED])
def test_a_time_out_keeps_its_value_and_its_last_observation(ball, tiny, mode):
    """Three steps of an episode have times 1, 0, -1; the last leads to a frame of time -2."""
    envs = ball(num_envs=1, mode=mode)
    agent = make(envs, replace(tiny, learn_start=1_000))
    agent.collect(envs, 3)
    replay = agent.replays[0]
    moves = replay.transitions(np.flatnonzero(replay._tree.priorities > 0))
    assert moves.time.tolist() == [1.0, 0.0, -1.0]
    assert moves.next_time.tolist() == [0.0, -1.0, -2.0]
    assert not moves.done.any()


@pytest.mark.parametrize("mode", [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP, AutoresetMode.DISABLED])
def test_quirks_of_time_differ(ball, tiny, mode):
    """ARM's observation after step t says the time of t - 1, and its first one that of 0."""
    envs = ball(num_envs=1, length=5, mode=mode)
    agent = make(envs, replace(tiny, learn_start=1_000, quirks=("late_time", "timeouts_terminate")))
    agent.collect(envs, 7)
    replay = agent.replays[0]
    moves = replay.transitions(np.flatnonzero(replay._tree.priorities > 0))
    assert moves.time[:6].tolist() == [1.0, 1.0, 0.5, 0.0, -0.5, 1.0]
    assert moves.next_time[:4].tolist() == moves.time[1:5].tolist()
    assert moves.done[:6].tolist() == [False, False, False, False, True, False]


def test_own_successes_are_imitated(ball, demos, tiny):
    envs = ball(num_envs=2)
    agent = make(envs, replace(tiny, learn_start=1_000))

    def act(slots):
        return np.concatenate([envs.ball, np.tile([1.0, 0, 0, 0, 1], (2, 1))], axis=1).astype(np.float32)

    agent._act = act
    agent.collect(envs, 2)
    replay = agent.replays[0]
    moves = replay.transitions(np.flatnonzero(replay._tree.priorities > 0))
    assert moves.demonstrated.all()
    assert not moves.from_demo.any()
    assert replay.num_rewarded == 4


def test_steps_go_into_the_replay_of_their_task(ball, demos, tiny):
    envs = ball(num_envs=4, num_tasks=3)
    agent = make(envs, tiny, num_tasks=3)
    agent.add_demonstrations(demos(1), task=1)
    agent.collect(envs, 12)
    assert sum(replay.env_steps for replay in agent.replays) == 48
    assert all(replay.env_steps for replay in agent.replays)
    batch = agent.sampler.batch(agent, np.random.default_rng(0))
    assert np.bincount(batch.task_index).tolist() == [3, 3, 2]


def test_slots_that_are_moved_begin_anew_and_the_others_stay(ball, tiny):
    envs = ball()
    eye = Eye.of(envs.single_observation_space, tiny)
    agent = make(envs, replace(tiny, learn_start=1_000))
    agent.collect(envs, 2)
    slots = agent._slots
    stays, frames = slots.row[0], list(slots.frames[0])
    assert frames
    obs, info = ball(num_envs=2).reset(seed=9)
    fresh = ArmSlots.begin(eye.read(obs), info)
    slots.replace(np.array([False, True]), fresh)
    assert (slots.row[0], slots.frames[0]) == (stays, frames)
    assert (slots.row[1], slots.frames[1], slots.length[1]) == (NO_ROW, [], 0)
    assert slots.episode_start[1]
    np.testing.assert_array_equal(slots.views.rgb[1], fresh.views.rgb[1])


def test_after_an_interruption_every_slot_begins_anew(ball, tiny, monkeypatch):
    envs = ball(num_envs=1, length=3)
    agent = make(envs, replace(tiny, learn_start=1_000))
    agent.collect(envs, 1)
    with monkeypatch.context() as patch:
        patch.setattr(envs, "step", lambda action: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            agent.collect(envs, 1)
    agent.collect(envs, 3)
    replay = agent.replays[0]
    moves = replay.transitions(np.flatnonzero(replay._tree.priorities > 0))
    assert moves.time.tolist() == [1.0, 1.0, 0.0, -1.0]


def test_a_task_without_a_replay(ball, tiny):
    envs = ball(num_envs=4, num_tasks=3)
    agent = make(envs, tiny)
    with pytest.raises(ValueError, match=r"play task [12] \(info\['task_index'\]\).*make it with num_tasks="):
        agent.collect(envs, 12)


def test_a_single_env(ball, tiny):
    with pytest.raises(TypeError, match="is a single env, and learners step several at once"):
        make(ball(), tiny).collect(gym.Env(), 1)


def test_episodes_longer_than_was_said_never_overwrite_themselves(ball, tiny):
    """Two slots of 30 steps take 62 rows; a replay of 44 is enough for the 10 that were said."""
    envs = ball(length=30)
    space = envs.single_observation_space
    config = replace(tiny, learn_start=1_000, replay_capacity=44)
    agent = C2FARM(space, envs.single_action_space, config, seed=0)
    with pytest.raises(ValueError, match=r"for running episodes of 24: raise replay_capacity"):
        agent.collect(envs, 30)
    assert agent.env_step == 20
