from dataclasses import replace

import numpy as np
import pytest
from fvm_eval.claims import Precondition
from fvm_eval.claims.comparisons import Comparison, judge
from fvm_eval.statistics.power import seeds_needed

CLAIM = Comparison(left="mt", right="scratch", estimand="e", margin=0.1)
SPREAD = np.array([-0.02, -0.01, 0.0, 0.01, 0.02])[:, None]


@pytest.fixture
def verdict(cells):
    def verdict(gap, spread=1.0, seeds=5, claim=CLAIM, **options):
        noise = spread * SPREAD[:seeds]
        low = cells(0.1 + noise, "random")
        return judge(
            claim, cells(0.3 + gap + noise, "mt"), cells(0.3 - noise, "scratch"), baseline=low, **options
        )

    return verdict


def test_verdicts_follow_the_interval(verdict):
    assert str(verdict(0.3)) == "supported"
    assert str(verdict(0.0)) == "contradicted"
    assert str(verdict(0.1)) == "undecided: the interval contains the threshold"
    # The truth may lie where the interval ends, not a whole margin beyond the threshold, which it excludes.
    half = verdict(0.1).interval.half_width
    assert verdict(0.1).seeds_needed == seeds_needed(half, [SPREAD.std(ddof=1)] * 2) == 9
    same_or_better = Comparison(
        left="mt", right="scratch", estimand="e", kind="non-inferiority", baseline="random"
    )
    assert str(verdict(0.0, claim=same_or_better)) == "supported"
    # Two methods that learned nothing are equal too.
    assert "no assay sensitivity" in str(verdict(0.0, claim=replace(same_or_better, baseline=None)))
    assert "no assay sensitivity" in str(verdict(-0.09, claim=replace(same_or_better, margin=0.2)))
    assert str(verdict(-0.3, claim=same_or_better)) == "contradicted"
    assert (CLAIM.statement, same_or_better.statement) == ("mt − scratch > +0.10", "mt − scratch > −0.10")


def test_too_few_checkpoints_never_decide_and_say_how_many_would(verdict):
    result = verdict(0.6, seeds=3, spread=20)
    assert str(result).startswith("undecided: too small (3 checkpoints a method")
    sd = 20 * 0.01
    assert result.seeds_needed == seeds_needed(0.1, [sd, sd]) > 5
    alone = verdict(0.6, seeds=1)
    assert str(alone).startswith("undecided: too small (1 checkpoint a method")
    assert alone.seeds_needed is None


def test_a_wide_interval_is_too_small(verdict):
    result = verdict(0.1, spread=10)
    assert result.interval.half_width > 0.1
    assert str(result).startswith("undecided: too small (the interval is wider than the margin")
    assert result.seeds_needed > 5


def test_preconditions_come_before_the_numbers(verdict):
    untrained = Precondition("the pretraining learned", False, "-0.1 over random play")
    assert str(verdict(0.3, preconditions=[untrained])).startswith(
        "undecided: the pretraining learned: not shown"
    )
    assert str(verdict(0.3, preconditions=[Precondition("x", True, "")])) == "supported"
    assert str(verdict(0.3, spread=0, score_bounds=None)).startswith("undecided: no interval")


@pytest.mark.parametrize(
    "change", [{"margin": 0.0}, {"margin": np.nan}, {"min_checkpoints": 1}, {"kind": "equal"}]
)
def test_bad_comparisons(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        Comparison(**{"left": "a", "right": "b", "estimand": "e", **change})
