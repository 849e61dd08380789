import numpy as np
import polars as pl
import pytest
from fvm_eval.statistics.improvement import probability_of_improvement
from scipy import stats


def test_by_hand_ties_count_half(cells):
    left, right = cells([[1.0, 5.0], [2.0, 5.0]], "l"), cells([[1.0, 9.0], [0.0, 9.0], [3.0, 9.0]], "r")
    # Task t0: 1 beats 0, ties 1; 2 beats 1 and 0: 3.5 of 6. Task t1: none of 6.
    found = probability_of_improvement(left, right)
    assert found.mean == pytest.approx(3.5 / 6 / 2)
    assert probability_of_improvement(right, left).mean == pytest.approx(1 - found.mean)
    assert (found.how, found.checkpoints) == ("jackknife, logit", 2)
    assert 0 <= found.low < found.mean < found.high <= 1


def test_it_is_mann_and_whitneys_u(cells):
    rng = np.random.default_rng(0)
    left, right = rng.integers(0, 4, (7, 3)), rng.integers(0, 4, (5, 3))
    us = [stats.mannwhitneyu(left[:, t], right[:, t]).statistic / 35 for t in range(3)]
    assert probability_of_improvement(cells(left, "l"), cells(right, "r")).mean == pytest.approx(np.mean(us))


def test_the_interval_leaves_out_checkpoints_of_each_side(cells):
    # One task, placements: each left run's share of wins, each right run's share of losses (DeLong 1988).
    rng = np.random.default_rng(1)
    left, right = rng.normal(0.5, 1, 9), rng.normal(0, 1, 6)
    wins = left[:, None] > right[None, :]
    variance = wins.mean(1).var(ddof=1) / 9 + wins.mean(0).var(ddof=1) / 6
    found = probability_of_improvement(cells(left[:, None], "l"), cells(right[:, None], "r"))
    odds = found.mean / (1 - found.mean)
    half = stats.t.ppf(0.975, found.df) * variance**0.5 / (found.mean * (1 - found.mean))
    low, high = (odds * np.exp(sign * half) for sign in (-1, 1))
    assert (found.low, found.high) == pytest.approx((low / (1 + low), high / (1 + high)))


def test_shared_checkpoints_are_left_out_of_both(cells):
    luck = np.linspace(0, 10, 6)[:, None]
    rng = np.random.default_rng(2)
    arms = cells(luck + rng.normal(0, 1, (6, 9)), "m"), cells(luck + rng.normal(0, 1, (6, 9)), "m")
    paired = probability_of_improvement(*arms)
    apart = probability_of_improvement(arms[0], cells(np.array(arms[1]["value"]).reshape(6, 9), "n"))
    assert paired.mean == apart.mean
    assert paired.high - paired.low < (apart.high - apart.low) / 2


def test_where_nothing_varies(cells):
    found = probability_of_improvement(cells([[1.0], [2.0]], "l"), cells([[0.0], [0.5]], "r"))
    # Two pairs of checkpoints, both won: what share is won throughout in one of 40 studies?
    assert (found.mean, found.low, found.high) == (1, pytest.approx(0.025**0.5), 1)
    ties = probability_of_improvement(cells([[1.0], [1.0]], "l"), cells([[1.0], [1.0]], "r"))
    assert (ties.mean, ties.low) == (0.5, None)
    assert "the same whichever checkpoint is left out" in ties.note
    # Three of four pairs are won, and the one pair that is left whichever checkpoint goes: other than .75.
    alike = probability_of_improvement(cells([[3.0], [5.0]]), cells([[2.0], [4.0]]))
    assert (alike.mean, alike.low) == (0.75, None)
    assert alike.note == "the same whichever checkpoint is left out: no spread, so no interval"
    assert "one checkpoint" in probability_of_improvement(cells([[1.0]], "l"), cells([[0.0]], "r")).note
    holed = cells([[1.0, 1.0]] * 3, "l").filter(pl.col("checkpoint").ne("l/2") | pl.col("task").ne("t1"))
    assert "on 1 of 2 tasks" in probability_of_improvement(holed, cells([[1.0, 1.0]] * 3, "r")).note
    with pytest.raises(ValueError, match="tested on t1"):
        probability_of_improvement(cells([[1.0, 1.0]], "l"), cells([[0.0]], "r"))


def test_the_log_odds_cover_where_a_plain_interval_does_not(cells):
    """One method wins .89 of all pairs; 8 seeds each on 4 tasks that share their seed's luck."""
    rng, studies = np.random.default_rng(5), 400
    gap = 2**0.5 * stats.norm.ppf(0.89)  # in units of a run's standard deviation
    logit = plain = 0
    for _ in range(studies):
        sides = [at + 0.6 * rng.normal(size=(8, 1)) + 0.8 * rng.normal(size=(8, 4)) for at in (gap, 0.0)]
        found = probability_of_improvement(cells(sides[0], "l"), cells(sides[1], "r"))
        logit += found.low <= 0.89 <= found.high
        if found.df is None:
            plain += found.mean == 0.89
            continue
        middle, spread = (np.log(p / (1 - p)) for p in (found.mean, found.high))
        half = (spread - middle) * found.mean * (1 - found.mean)  # of the plain interval
        plain += abs(found.mean - 0.89) <= half
    assert logit / studies > 0.93
    assert plain / studies < 0.93
