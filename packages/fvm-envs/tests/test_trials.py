import math

import numpy as np
import pytest
from fvm_envs import Trials, make_vec
from gymnasium import spaces

HIDDEN = "toy/hidden-catch/0:24"  # 3 steps a trial, 4 actions


def best(envs):
    return envs.env.best_actions()


def random_actions(envs, num_steps, seed=0):
    return np.random.default_rng(seed).integers(envs.single_action_space.n, size=(num_steps, envs.num_envs))


def test_feedback_by_hand():
    envs = make_vec("toy/hidden-catch/3", 2, 0, trials=2, reward_scale=0.5)
    assert envs.single_observation_space["feedback"] == spaces.Box(-np.inf, np.inf, (6,), np.float32)
    obs, info = envs.reset()
    np.testing.assert_array_equal(obs["feedback"], np.zeros((2, 6)))
    np.testing.assert_array_equal(info["trial"], [0, 0])
    for step in range(1, 7):
        actions = best(envs)
        if step < 4:
            actions[1] = (actions[1] + step) % 4  # The second slot misses its first ball.
        obs, reward, terminated, truncated, info = envs.step(actions)
        trial_end = step in (3, 6)
        caught = np.array([trial_end, step == 6])
        np.testing.assert_array_equal(reward, caught)
        np.testing.assert_array_equal(info["trial_end"], [trial_end] * 2)
        np.testing.assert_array_equal(info["trial_return"], caught)
        np.testing.assert_array_equal(info["trial"], [step in (3, 4, 5)] * 2)
        np.testing.assert_array_equal(terminated, [step == 6] * 2)
        assert not truncated.any()
        expected = np.concatenate((np.eye(4)[actions], 0.5 * caught[:, None], [[trial_end]] * 2), axis=1)
        if step == 6:
            np.testing.assert_array_equal(np.stack([o["feedback"] for o in info["final_obs"]]), expected)
            expected[:] = 0
        else:
            assert "final_obs" not in info
        np.testing.assert_array_equal(obs["feedback"], expected)
    np.testing.assert_array_equal(info["episode"]["r"], [2, 1])
    np.testing.assert_array_equal(info["episode"]["l"], [6, 6])


@pytest.mark.parametrize(
    ("tasks", "options", "num_steps"),
    [
        ("toy/catch/0:96", {"cell_pixels": 1}, 400),
        (HIDDEN, {}, 200),
        pytest.param(
            "procgen/coinrun-easy/0:20", {"actions": "right"}, 800, marks=pytest.mark.procgen, id="coinrun"
        ),
    ],
)
def test_a_lifetime_is_three_trials_of_one_task(tasks, options, num_steps):
    envs = make_vec(tasks, 6, 0, trials=3, **options)
    _, info = envs.reset()
    task, lifetime = info["task_index"], [[] for _ in range(6)]
    returns, lengths, lifetimes = np.zeros(6), np.zeros(6, dtype=int), 0
    for actions in random_actions(envs, num_steps):
        obs, reward, terminated, truncated, info = envs.step(actions)
        returns += reward
        lengths += 1
        assert not truncated.any()
        np.testing.assert_array_equal(info["trial_return"][~info["trial_end"]], 0)
        for slot in np.flatnonzero(info["trial_end"]):
            lifetime[slot].append(info["trial_return"][slot])
        for slot in range(6):
            assert terminated[slot] == (len(lifetime[slot]) == 3)
            if terminated[slot]:
                lifetimes += 1
                assert sum(lifetime[slot]) == returns[slot] == info["episode"]["r"][slot]
                assert lengths[slot] == info["episode"]["l"][slot]
                assert not obs["feedback"][slot].any()
                lifetime[slot], returns[slot], lengths[slot] = [], 0, 0
            else:
                assert info["task_index"][slot] == task[slot]
            assert info["trial"][slot] == len(lifetime[slot])
        task = info["task_index"]
    assert lifetimes > 12
    envs.close()


def test_tasks_are_drawn_uniformly_between_lifetimes():
    envs = make_vec("toy/hidden-catch/0:8", 40, 0, trials=2)
    _, info = envs.reset()
    drawn = []
    for actions in random_actions(envs, 240):
        *_, terminated, _, info = envs.step(actions)
        drawn += info["task_index"][terminated].tolist()
    assert len(drawn) == 1600
    assert np.abs(np.bincount(drawn, minlength=8) - 200).max() < 60


@pytest.mark.parametrize("trials", [1, 3, math.inf])
@pytest.mark.parametrize(
    ("tasks", "options"),
    [
        ("toy/catch/0:5", {"cell_pixels": 1}),
        pytest.param(
            "procgen/coinrun-easy/0:5", {"actions": "right"}, marks=pytest.mark.procgen, id="coinrun"
        ),
    ],
)
def test_who_stays_plays_as_in_the_environment_alone(tasks, options, trials):
    alone = make_vec(tasks, 5, 7, on_episode_end="stay", **options)
    envs = make_vec(tasks, 5, 7, on_episode_end="stay", trials=trials, **options)
    np.testing.assert_array_equal(alone.reset()[0], envs.reset()[0]["obs"])
    ends = 0
    for actions in random_actions(envs, 300):
        obs, reward, terminated, truncated, info = alone.step(actions)
        in_trials = envs.step(actions)
        np.testing.assert_array_equal(obs, in_trials[0]["obs"])
        np.testing.assert_array_equal(reward, in_trials[1])
        np.testing.assert_array_equal(terminated | truncated, in_trials[4]["trial_end"])
        np.testing.assert_array_equal(info["episode"]["r"], in_trials[4]["trial_return"])
        np.testing.assert_array_equal(info["task_index"], in_trials[4]["task_index"])
        if trials == 1:
            np.testing.assert_array_equal(in_trials[2], terminated | truncated)
        ends += (terminated | truncated).sum()
    assert ends > 10
    assert (in_trials[4]["trial"] > 3).any() == (trials == math.inf)
    alone.close()
    envs.close()


@pytest.mark.procgen
def test_a_time_out_ends_a_trial_and_no_lifetime():
    envs = make_vec("procgen/leaper-easy/3", 1, 0, trials=2)
    envs.reset()
    for step in range(1, 1001):
        obs, _, terminated, truncated, info = envs.step(np.array([4]))
        assert info["trial_end"][0] == (step in (500, 1000))
        assert obs["feedback"][0, -1] == (step == 500)
        assert terminated[0] == (step == 1000)
        assert not truncated[0]
    envs.close()


def test_endless_lifetimes_are_ended_by_a_masked_reset_only():
    envs = make_vec(HIDDEN, 3, 0, trials=math.inf)
    _, info = envs.reset()
    task = info["task_index"]
    for actions in random_actions(envs, 31):
        _, _, terminated, _, info = envs.step(actions)
        assert not terminated.any()
        np.testing.assert_array_equal(info["task_index"], task)
    np.testing.assert_array_equal(info["trial"], [10, 10, 10])
    target = (int(task[1]) + 1) % 24
    obs, info = envs.reset(
        options={"reset_mask": np.array([False, True, False]), "tasks": [None, envs.tasks[target], None]}
    )
    np.testing.assert_array_equal(info["trial"], [10, 0, 10])
    np.testing.assert_array_equal(info["task_index"], [task[0], target, task[2]])
    np.testing.assert_array_equal(obs["feedback"].any(axis=1), [True, False, True])
    ends = [envs.step(actions)[4]["trial_end"].tolist() for actions in random_actions(envs, 3)]
    assert ends == [[False] * 3, [True, False, True], [False, True, False]]


def test_a_reset_in_mid_lifetime_forgets_its_trials():
    envs = make_vec(HIDDEN, 2, 0, trials=2)
    envs.reset()
    for _ in range(4):
        envs.step(best(envs))
    envs.reset(options={"reset_mask": np.array([False, True])})
    ends = {0: [], 1: []}
    for step in range(1, 7):
        _, _, terminated, _, info = envs.step(best(envs))
        for slot in np.flatnonzero(terminated):
            ends[slot].append((step, info["episode"]["r"][slot]))
    assert ends == {0: [(2, 2.0)], 1: [(6, 2.0)]}


def test_a_single_trial_draws_the_tasks_of_the_environment_alone():
    alone, envs = make_vec(HIDDEN, 4, 5), make_vec(HIDDEN, 4, 5, trials=1)
    np.testing.assert_array_equal(alone.reset()[1]["task_index"], envs.reset()[1]["task_index"])
    for actions in random_actions(envs, 60):
        np.testing.assert_array_equal(
            alone.step(actions)[4]["task_index"], envs.step(actions)[4]["task_index"]
        )


def test_a_returned_picture_is_the_callers():
    envs = make_vec("toy/catch/0:9", 3, 0, trials=2)
    envs.reset()
    obs = envs.step(np.zeros(3, dtype=int))[0]
    kept = {key: value.copy() for key, value in obs.items()}
    for value in obs.values():
        value[:] = 7
    again, _ = envs.reset(options={"reset_mask": np.zeros(3, dtype=bool)})
    for key, value in kept.items():
        np.testing.assert_array_equal(again[key], value)


def test_a_state_of_other_trials_is_refused_and_changes_nothing():
    envs = make_vec(HIDDEN, 2, 0, trials=3)
    envs.reset()
    for actions in random_actions(envs, 4):
        envs.step(actions)
    before = envs.state_dict()
    for options in ({"trials": 2}, {"trials": math.inf}, {"trials": 3, "reward_scale": 1.0}, {}):
        other = make_vec(HIDDEN, 2, 0, **options)
        other.reset()
        with pytest.raises(ValueError, match=r"not of trials=3, reward_scale=0\.1"):
            envs.load_state_dict(other.state_dict())
    with pytest.raises(ValueError, match="damaged"):
        envs.load_state_dict({**before, "own": {**before["own"], "feedback": np.zeros(6)}})
    np.testing.assert_array_equal(envs.state_dict()["own"]["feedback"], before["own"]["feedback"])
    assert envs.state_dict()["own"]["trial"].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trials": 0}, "trials is 0: give a whole number of 1 or more, or math.inf"),
        ({"trials": 2.5}, "trials is 2.5"),
        ({"trials": math.nan}, "trials is nan"),
        ({"trials": 2, "reward_scale": math.inf}, "reward_scale is inf"),
        ({"trials": 2, "on_episode_end": "stop"}, "'resample' or 'stay'"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        make_vec(HIDDEN, 1, 0, **options)


def test_an_environment_that_changes_its_tasks_is_refused():
    with pytest.raises(ValueError, match="on_episode_end='resample': make it with 'stay'"):
        Trials(make_vec(HIDDEN, 1, 0), 0)
