import math
import warnings

import numpy as np
import pytest
from fvm_learners.ppo.reward_scale import CLIP, EPSILON, PRIOR_COUNT, RewardScale


def test_equals_the_variance_of_all_discounted_returns_so_far():
    rng = np.random.default_rng(0)
    scale, discount = RewardScale(0.9), 0.9
    returns, seen = np.zeros(5), []
    for _ in range(200):
        reward, end = rng.normal(3, 2, 5), rng.random(5) < 0.1
        scaled = scale(reward, end, np.ones(5, dtype=bool))
        returns = returns * discount + reward
        seen.append(returns.copy())
        returns[end] = 0
        # Chan's formula starts from PRIOR_COUNT samples of mean 0 and variance 1.
        x = np.concatenate(seen)
        count = len(x) + PRIOR_COUNT
        mean = x.sum() / count
        variance = ((x**2).sum() + PRIOR_COUNT) / count - mean**2
        np.testing.assert_allclose(scaled, np.clip(reward / np.sqrt(variance + EPSILON), -CLIP, CLIP))


def test_reset_rows_change_nothing():
    with_row, without = RewardScale(0.9), RewardScale(0.9)
    both, first = np.array([True, True]), np.array([True, False])
    none = np.array([False, False])
    for scale in (with_row, without):
        scale(np.array([1.0, 2.0]), none, both)
    with_row(np.array([0.0, 0.0]), none, none)
    assert with_row.state_dict() == without.state_dict()
    with_row(np.array([5.0, 0.0]), none, first)
    assert with_row.return_[1] == without.return_[1]
    assert with_row.count == without.count + 1


def test_large_rewards_are_clipped():
    scale = RewardScale(0.99)
    for _ in range(100):
        scale(np.zeros(4), np.zeros(4, dtype=bool), np.ones(4, dtype=bool))
    assert scale(np.array([1e6, -1e6, 0, 0]), np.ones(4, dtype=bool), np.ones(4, dtype=bool)).tolist() == [
        CLIP,
        -CLIP,
        0,
        0,
    ]


def test_restart_keeps_the_variance_or_not():
    scale = RewardScale(0.9)
    scale(np.array([1.0, 5.0]), np.array([False, True]), np.array([True, True]))
    variance = scale.variance
    scale.restart(keep_variance=True)
    assert scale.variance == variance
    assert scale.return_ is None
    scale.restart(keep_variance=False)
    assert scale.state_dict() == RewardScale(0.9).state_dict()


@pytest.mark.parametrize("reward", [1e160, -1e308, math.inf, math.nan])
def test_rewards_beyond_all_bounds_are_a_run_that_diverged_not_an_error(reward):
    scale, playing = RewardScale(1.0), np.zeros(2, dtype=bool)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(3):
            scale(np.array([reward, 1.0]), playing, ~playing)
    assert not math.isfinite(scale.variance)


def test_the_largest_returns_that_a_float_can_square_have_a_variance():
    scale, playing = RewardScale(1.0), np.zeros(2, dtype=bool)
    scale(np.array([1e149, -1e149]), playing, ~playing)
    assert scale.variance == pytest.approx(1e298, rel=1e-4)
