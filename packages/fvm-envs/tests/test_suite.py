"""The records of the suites that come with the package."""

from types import SimpleNamespace

import gymnasium
import numpy as np
import pytest
from fvm_envs import Task, TaskSet
from fvm_envs.suite import RANDOM, SUITES


@pytest.mark.parametrize("name", sorted(SUITES))
def test_a_suite_has_its_name_and_players_and_refuses_what_it_has_not(name):
    suite = SUITES[name]
    assert suite.name == name
    assert suite.label(RANDOM) == "Random"
    assert all(suite.label(player) == suite.players[player].label != "" for player in suite.players)
    with pytest.raises(ValueError, match=f"{name} has no player 'nobody': it has random"):
        suite.player("nobody", None, {})
    with pytest.raises(ValueError):
        suite.check(Task.parse(f"{name}/there-is-no-such-task/0"))


def test_toy_tasks_are_made_scored_and_known():
    toy, tasks = SUITES["toy"], TaskSet.parse("toy/hidden-catch/0:2")
    envs = toy.make(tasks, 3, 0, on_episode_end="resample")
    obs, info = envs.reset(seed=0)
    assert len(obs) == 3
    assert set(info["task_index"].tolist()) <= {0, 1}
    envs.close()
    for task in tasks:
        assert toy.check(task) is None
        low, high = toy.score_range(task)
        assert np.isfinite([low, high]).all()
        assert low < toy.best_return(task) <= high


@pytest.mark.parametrize("task", ["toy/hidden-catch/0", "two-stage/close-first/2", "apple/out-and-back/2"])
def test_episodes_of_a_bounded_suite_score_within_the_range(task):
    suite = SUITES[task.partition("/")[0]]
    tasks = TaskSet.parse(task)
    low, high = suite.score_range(tasks[0])
    envs = suite.make(tasks, 4, 0, on_episode_end="resample", **suite.scored_with)
    policy, rngs = suite.player(RANDOM, envs, {}), [np.random.default_rng(slot) for slot in range(4)]
    running, scores = np.zeros(4), []
    obs, _ = envs.reset(seed=0)
    while len(scores) < 8:
        obs, rewards, terminated, truncated, _ = envs.step(policy.act(obs, None, None, rngs)[0])
        running += rewards
        scores += running[terminated | truncated].tolist()
        running[terminated | truncated] = 0
    envs.close()
    assert suite.bounded
    assert low <= min(scores) <= max(scores) <= high


def test_the_ranges_of_procgen_and_atari_do_not_bound_an_episode():
    assert SUITES["procgen"].score_range(Task.parse("procgen/bigfish-easy/0"))[0] > 0  # no fish eaten: 0
    assert not SUITES["procgen"].bounded
    assert not SUITES["atari"].bounded


def test_chance_draws_from_all_actions_of_a_discrete_space_wherever_it_starts():
    envs = SimpleNamespace(single_action_space=gymnasium.spaces.Discrete(3, start=1))
    drawn, _ = SUITES["toy"].player(RANDOM, envs, {}).act(None, None, None, [np.random.default_rng(0)] * 100)
    assert set(drawn.tolist()) == {1, 2, 3}


def test_chance_needs_a_discrete_space_or_a_box():
    envs = SimpleNamespace(single_action_space=gymnasium.spaces.MultiDiscrete([3, 2]))
    with pytest.raises(ValueError, match=r"MultiDiscrete\(\[3 2\]\) are not drawn at random: wrap the envs"):
        SUITES["toy"].player(RANDOM, envs, {})
