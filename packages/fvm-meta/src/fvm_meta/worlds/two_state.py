"""Returns of the two-state MDP in closed form: where fine-tuning forgets what it does not visit.

After Wolczyk et al. 2024 (arXiv 2402.02868), appendix A.1. The agent begins in state 0. One parameter theta
in [0, 1] decides in both states: from state 0 it goes on to state 1 with probability theta, in state 1 it
stays with probability f(theta).

    v_0 = theta (1 + gamma v_1) + (1 - theta) (r_0 + gamma v_0)
    v_1 = f (1 + gamma v_1) + (1 - f) (r_1 + gamma v_0)
    f(theta) = 1 - eps / (1 - eps / 2) theta  up to theta = 1 - eps / 2,  2 theta - 1 beyond

The pretrained policy is theta = 0: perfect in state 1 (f = 1), and it never goes there. Going there more
often first costs what it can do there (f falls), so gradient ascent on v_0 stops at a local optimum.

The text of the appendix leaves rewards and discount open; gamma = .9, eps = 1, r_0 = 0, r_1 = -1 give its
numbers, a local optimum of 2.22 at theta = .11, and 10 at theta = 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from fvm_learners.config_checks import check_fractions, is_count, is_number
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class TwoState:
    """The MDP.

    Attributes:
        discount: Gamma.
        eps: How fast state 1 is forgotten as theta grows; 0: not at all. Beyond 1 f would fall below 0.
        stay_reward: Of staying in state 0, r_0.
        return_reward: Of falling back from state 1, r_1.
    """

    discount: float = 0.9
    eps: float = 1.0
    stay_reward: float = 0.0
    return_reward: float = -1.0

    def __post_init__(self) -> None:
        if not (is_number(self.discount) and 0 <= self.discount < 1):
            raise ValueError(f"discount={self.discount!r}: give a number from 0 to below 1")
        check_fractions(self, ["eps"])
        for name in ("stay_reward", "return_reward"):
            if not is_number(getattr(self, name)):
                raise ValueError(f"{name}={getattr(self, name)!r}: give a finite number")

    def stays(self, theta: Array) -> Array:
        """Returns f(theta) [...], the probability of staying in state 1."""
        turn = 1 - self.eps / 2
        return np.where(theta <= turn, 1 - self.eps / turn * theta, 2 * theta - 1)

    def returns(self, theta: Array) -> Array:
        """Returns v_0(theta) [...], the discounted return from state 0."""
        theta = np.asarray(theta, dtype=np.float64)
        gamma, stays = self.discount, self.stays(theta)
        first = theta + (1 - theta) * self.stay_reward  # the next reward expected in each state
        second = stays + (1 - stays) * self.return_reward
        own_first, own_second = 1 - gamma * (1 - theta), 1 - gamma * stays
        determinant = own_first * own_second - gamma * theta * gamma * (1 - stays)
        returns: Array = (first * own_second + gamma * theta * second) / determinant
        return returns

    def ascend(self, theta: float, *, learning_rate: float, steps: int) -> Array:
        """Returns theta [steps + 1] of gradient ascent on v_0 from `theta`, clipped to [0, 1].

        Raises:
            ValueError: `theta` lies outside, the rate is no number above 0, or `steps` no count.
        """
        if not (is_number(theta) and 0 <= theta <= 1):
            raise ValueError(f"theta={theta!r}: give a number from 0 to 1")
        if not (is_number(learning_rate) and learning_rate > 0):
            raise ValueError(f"learning_rate={learning_rate!r}: give a finite number above 0")
        if not is_count(steps, at_least=0):
            raise ValueError(f"steps={steps!r}: give a whole number of 0 or more")
        path, small = [theta], 1e-6
        for _ in range(steps):
            around = np.array([max(path[-1] - small, 0.0), min(path[-1] + small, 1.0)])
            below, above = self.returns(around)
            slope = (above - below) / (around[1] - around[0])
            path.append(float(np.clip(path[-1] + learning_rate * slope, 0, 1)))
        return np.array(path)
