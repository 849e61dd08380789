"""What every learner does with its iterations, and the means of their metrics."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from fvm_learners.iteration import IteratedLearner, Iteration, means


class Counting(IteratedLearner):
    """Takes the rows it is due, and writes down how many it was asked for."""

    def __init__(self):
        self.config, self.env_step, self.asked = SimpleNamespace(num_steps=5), 0, []

    def iteration(self, envs, max_env_steps=None):
        self.asked.append(max_env_steps)
        steps = self._num_rows(envs.num_envs, max_env_steps) * envs.num_envs
        self.env_step += steps
        return Iteration(steps, 1, {}, ())


def test_a_stream_never_exceeds_its_steps_and_leaves_less_than_a_row():
    learner, envs = Counting(), SimpleNamespace(num_envs=4)
    assert [one.env_steps for one in learner.learn(envs, 51)] == [20, 20, 8]
    assert learner.asked == [51, 31, 11]
    assert learner.iteration_env_steps(4) == 20
    assert [one.env_steps for one in learner.learn(envs, 3)] == []


def test_less_than_a_row_is_refused():
    with pytest.raises(ValueError, match="max_env_steps=3 is less than one step of 4 envs: use fewer envs"):
        Counting().iteration(SimpleNamespace(num_envs=4), 3)


@pytest.mark.parametrize("steps", [51.0, 1e6, np.float64(8), float("nan"), float("inf"), "8", None, True, -1])
def test_steps_that_are_no_whole_number_are_refused_before_the_first_not_in_the_last_rollout(steps):
    learner, envs = Counting(), SimpleNamespace(num_envs=4)
    with pytest.raises(ValueError, match=r"^env_steps=.*: give a whole number of 0 or more, as int\(1e6\)"):
        next(learner.learn(envs, steps))
    assert learner.asked == []
    if steps is not None:
        with pytest.raises(ValueError, match=r"^max_env_steps="):
            learner.iteration(envs, steps)
    assert [one.env_steps for one in learner.learn(envs, np.int64(9))] == [8]


def test_a_mean_is_over_those_that_have_the_metric():
    history = [{"loss": torch.tensor(1.0)}, {"loss": torch.tensor(3.0), "kl": torch.tensor(5.0)}]
    assert means(history) == {"loss": 2.0, "kl": 5.0}
    assert means([]) == {}


def test_metrics_become_plain_numbers():
    metrics = {"a": torch.tensor(0.5, requires_grad=True), "b": np.float32(2), "c": 3, "d": float("inf")}
    kept = Iteration(1, 1, metrics, ()).metrics
    assert kept == {"a": 0.5, "b": 2.0, "c": 3.0, "d": float("inf")}
    assert {type(value) for value in kept.values()} == {float}


@pytest.mark.parametrize("value", ["much", torch.zeros(2), [1.0], None])
def test_a_metric_that_is_no_number_is_told_so(value):
    with pytest.raises(TypeError, match=r"the metric 'loss' is .*: give a number, a mean over the updates"):
        Iteration(1, 1, {"loss": value}, ())


def test_an_episode_that_is_none_is_told_so():
    with pytest.raises(TypeError, match=r"3.5 is no fvm_learners.Episode: give one for each that ended"):
        Iteration(1, 1, {}, (3.5,))
