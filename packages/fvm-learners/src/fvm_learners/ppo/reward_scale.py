"""Rewards divided by the standard deviation of the discounted return, as baselines' `VecNormalize(ob=False)`.

    return_t = discount * return_{t-1} + reward_t          (per slot, zero at an episode's start)
    reward_t / sqrt(Var[return] + 1e-8), clipped to +-10

Source: openai/baselines common/vec_env/vec_normalize.py and common/running_mean_std.py. The mean is not
subtracted. Deviation: NEXT_STEP's reset rows, in which nothing was played, change nothing.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

EPSILON = 1e-8
CLIP = 10.0
PRIOR_COUNT = 1e-4
FAR = 1e150
"""Further from the mean a return's square may be beyond what a float holds: the run has diverged."""


class RewardScale:
    """Running variance of the discounted return, and one discounted return for each slot."""

    def __init__(self, discount: float) -> None:
        self.discount = discount
        self.mean, self.variance, self.count = 0.0, 1.0, PRIOR_COUNT
        self.return_: NDArray[np.float64] | None = None

    @np.errstate(over="ignore", invalid="ignore")
    def __call__(
        self, reward: NDArray[np.float64], episode_end: NDArray[np.bool_], valid: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """Scaled rewards [B], after the statistics took in this step.

        Args:
            reward: [B] as the envs gave it.
            episode_end: [B] terminated or truncated: the slot's return starts anew after this step.
            valid: [B] False on NEXT_STEP's reset rows.
        """
        if self.return_ is None:
            self.return_ = np.zeros(len(reward))
        self.return_ = np.where(valid, self.discount * self.return_ + reward, self.return_)
        self._take_in(self.return_[valid])
        scaled: NDArray[np.float64] = np.clip(reward / np.sqrt(self.variance + EPSILON), -CLIP, CLIP)
        self.return_[episode_end] = 0.0
        return scaled

    def _take_in(self, batch: NDArray[np.float64]) -> None:
        """Chan et al.'s parallel variance of what was seen so far and `batch`."""
        if len(batch) == 0:
            return
        delta = float(batch.mean()) - self.mean
        delta_squared = math.inf if abs(delta) > FAR else delta**2  # else an OverflowError
        total = self.count + len(batch)
        squares = (
            self.variance * self.count
            + float(batch.var()) * len(batch)
            + delta_squared * self.count * len(batch) / total
        )
        self.mean += delta * len(batch) / total
        self.variance, self.count = squares / total, total

    def restart(self, *, keep_variance: bool) -> None:
        """Forget the slots' running returns and, unless kept, the variance."""
        self.return_ = None
        if not keep_variance:
            self.mean, self.variance, self.count = 0.0, 1.0, PRIOR_COUNT

    def state_dict(self) -> dict[str, Any]:
        """Everything, as JSON values."""
        return {
            "mean": self.mean,
            "variance": self.variance,
            "count": self.count,
            "return_": None if self.return_ is None else self.return_.tolist(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self.mean, self.variance, self.count = state["mean"], state["variance"], state["count"]
        self.return_ = None if state["return_"] is None else np.array(state["return_"], dtype=np.float64)
