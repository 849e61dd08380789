"""The records of the suites that come with the package."""

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
