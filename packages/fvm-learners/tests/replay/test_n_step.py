import numpy as np
import pytest
from fvm_learners.replay.n_step import OpenSteps


@pytest.mark.parametrize("n_step", [1, 3, 20])
@pytest.mark.parametrize("done", [False, True])
def test_returns_of_an_episode_are_those_of_the_definition(n_step, done):
    gamma, length = 0.9, 30
    rewards = np.random.default_rng(0).normal(size=length)
    steps, closed = OpenSteps(n_step, gamma), []
    for t in range(length):
        one = steps.append(t, rewards[t])
        closed += [] if one is None else [one]
    closed += steps.close(length, done=done)
    assert sorted(step.row for step in closed) == list(range(length))
    for row, return_, discount, next_row in closed:
        m = min(n_step, length - row)
        assert return_ == pytest.approx(sum(gamma**k * rewards[row + k] for k in range(m)))
        ended = done and row + n_step >= length
        assert discount == pytest.approx(0 if ended else gamma**m)
        assert ended or next_row == row + m
    assert not steps.steps
