"""The two-state MDP: its closed form against the sum it stands for, and the optimum where ascent ends."""

import numpy as np
import pytest
from fvm_meta.worlds.two_state import TwoState


@pytest.mark.parametrize("theta", [0.0, 0.1, 0.35, 0.8, 1.0])
def test_the_closed_form_is_the_discounted_sum(theta):
    mdp = TwoState(eps=0.7, stay_reward=-0.2, return_reward=-0.5)
    stays = float(mdp.stays(np.array(theta)))
    moves = np.array([[1 - theta, theta], [1 - stays, stays]])
    rewards = np.array([theta + (1 - theta) * -0.2, stays + (1 - stays) * -0.5])
    where, total = np.array([1.0, 0.0]), 0.0
    for step in range(400):
        total += 0.9**step * float(where @ rewards)
        where = where @ moves
    assert float(mdp.returns(np.array(theta))) == pytest.approx(total)


def test_ascent_ends_in_the_paper_s_local_optimum():
    """2.22 at .11, where forgetting outweighs what is learned; 10 lies at theta = 1."""
    mdp = TwoState()
    path = mdp.ascend(0.0, learning_rate=0.002, steps=2000)
    assert path[-1] == pytest.approx(1 / 9, abs=1e-3)
    assert float(mdp.returns(path[-1:])[0]) == pytest.approx(20 / 9, abs=1e-4)
    assert float(mdp.returns(np.array(1.0))) == pytest.approx(10)


def test_without_forgetting_ascent_ends_at_the_best():
    path = TwoState(eps=0.0).ascend(0.0, learning_rate=0.002, steps=2000)
    assert path[-1] == 1.0


def test_what_cannot_be():
    with pytest.raises(ValueError, match=r"discount=1\.0"):
        TwoState(discount=1.0)
    for eps in (-0.1, 1.5, float("nan")):  # beyond 1 the chance to stay would be less than none
        with pytest.raises(ValueError, match=f"eps={eps}: give a number from 0 to 1"):
            TwoState(eps=eps)
    assert TwoState(eps=1).stays(np.linspace(0, 1, 101)).min() == pytest.approx(0)
    for wrong in (
        {"theta": 2.0},
        {"theta": float("nan")},
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"steps": -1},
        {"steps": 2.5},
    ):
        (told,) = (f"{name}={value}: give a" for name, value in wrong.items())
        with pytest.raises(ValueError, match=told):
            TwoState().ascend(**({"theta": 0.0, "learning_rate": 0.01, "steps": 3} | wrong))
    for name in ("stay_reward", "return_reward"):
        for value in (float("nan"), float("-inf"), "0"):
            with pytest.raises(ValueError, match=f"{name}={value!r}: give a finite number"):
                TwoState(**{name: value})
