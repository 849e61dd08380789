from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from fvm_eval.claims import Claim, Component, Precondition, decide, pretraining_learned
from fvm_eval.statistics.power import equivalence_seeds_needed, seeds_needed
from scipy import stats

LEARNED = {"learned": Precondition("the pretraining learned", True, "+1 over random play")}
NOISE = np.array([-0.02, -0.01, 0.0, 0.01, 0.02])[:, None]


def part(kind="superiority", margin=0.1, name="mt − reptile", right="reptile", **change):
    content = {"name": name, "summary": "value", "weights": {"mt": 1, right: -1}, "kind": kind}
    return Component(**{**content, "margin": margin, **change})


ASSAY = part(name="mt − scratch", right="scratch")
EQUAL = Claim(
    id="C1", statement="s", components=[part("equivalence")], preconditions=["learned"], assay=ASSAY
)


@pytest.fixture
def study(cells):
    def study(mt=0.5, reptile=0.5, scratch=0.2, spread=1.0, seeds=5):
        noise = spread * NOISE[:seeds]
        return {
            "value": {
                "mt": cells(mt + noise, "mt"),
                "reptile": cells(reptile - noise, "reptile"),
                "scratch": cells(scratch + noise, "scratch"),
            }
        }

    return study


def test_equality_is_two_one_sided_tests(study):
    verdict = decide(EQUAL, study(mt=0.53), LEARNED)
    assert str(verdict) == "supported"
    left, right = 0.53 + NOISE[:, 0], 0.5 - NOISE[:, 0]
    oracle = max(
        stats.ttest_ind(left + 0.1, right, equal_var=False, alternative="greater").pvalue,
        stats.ttest_ind(left - 0.1, right, equal_var=False, alternative="less").pvalue,
    )
    (component,) = verdict.components
    assert component.p == pytest.approx(oracle)
    assert component.interval.half_width == pytest.approx(stats.t.ppf(0.975, 8) * 0.01)
    # The 90 % interval, half width .0186, decides: .0814 is its last difference within .1.
    assert str(decide(EQUAL, study(mt=0.581), LEARNED)) == "supported"
    assert str(decide(EQUAL, study(mt=0.582), LEARNED)) == "undecided: the interval contains the threshold"
    for gap in (0.2, -0.2):
        assert decide(EQUAL, study(mt=0.5 + gap), LEARNED).label == "contradicted"


def test_directions_pass_where_the_95_interval_lies_beyond_the_threshold(study):
    half = stats.t.ppf(0.975, 8) * 0.01
    for kind, threshold in (("superiority", 0.1), ("non-inferiority", -0.1)):
        claim = replace(EQUAL, components=[part(kind)])
        for gap, label in (
            (threshold + half + 1e-6, "supported"),
            (threshold + half - 1e-6, "undecided"),
            (threshold - half + 1e-6, "undecided"),
            (threshold - half - 1e-6, "contradicted"),
        ):
            cells = study(mt=0.5, reptile=0.5 - gap, scratch=0.1)
            verdict = decide(claim, cells, LEARNED)
            assert verdict.label == label
            assert (verdict.components[0].p <= 0.05) == (label == "supported")


def test_another_margin_by_replace(study):
    tighter = replace(EQUAL, components=[replace(part("equivalence"), margin=0.05)])
    assert decide(EQUAL, study(mt=0.56), LEARNED).label == "supported"
    assert decide(tighter, study(mt=0.56), LEARNED).label == "undecided"


def test_every_part_must_pass_and_one_contradicts(study):
    second = part("equivalence", margin=0.1, name="second", right="scratch")
    both = replace(EQUAL, components=[part("equivalence"), second])
    verdict = decide(both, study(), LEARNED)
    assert str(verdict) == "contradicted"
    assert verdict.reason.endswith("wrong side: second")
    assert [found.passed for found in verdict.components] == [True, False]
    verdict = decide(replace(both, assay=None), study(scratch=0.4), LEARNED)
    assert verdict.reason == "1 of 2 parts not shown, as second: the interval contains the threshold"


def test_contradiction_is_corrected_for_the_number_of_parts(study):
    # The upper limit of .07 is .0931 at level .95, .0976 at .975, and beyond .1 at a fifth of alpha.
    wrong = part(margin=0.1, name="wrong", right="scratch")
    right = [part("superiority", margin=0.1, name=str(i)) for i in range(4)]
    cells = study(mt=0.5, reptile=0.2, scratch=0.43)
    alone = decide(replace(EQUAL, components=[wrong]), cells, LEARNED)
    assert alone.label == "contradicted"
    many = decide(replace(EQUAL, components=[wrong, *right]), cells, LEARNED)
    assert "Holm" in many.reason
    assert many.components[0].p_against == pytest.approx(5 * alone.components[0].p_against)


def test_equality_needs_assay_sensitivity(study):
    verdict = decide(EQUAL, study(scratch=0.5), LEARNED)
    assert str(verdict) == "undecided: no assay sensitivity (mt − scratch: not > +0.10)"
    verdict = decide(EQUAL, study(scratch=0.39), LEARNED)
    assert "mt − scratch: the interval contains the threshold" in verdict.reason
    assert verdict.seeds_needed == verdict.assay.seeds_needed >= 5
    assert "none was fixed" in decide(replace(EQUAL, assay=None), study(), LEARNED).reason
    absent = decide(replace(EQUAL, assay=part(right="random", name="mt − random")), study(), LEARNED)
    assert str(absent) == "undecided: no assay sensitivity (mt − random: not run: random)"
    # A difference that was found needs no proof that one can be found, and superiority neither.
    assert decide(EQUAL, study(mt=0.9, scratch=0.9), LEARNED).label == "contradicted"
    better = replace(EQUAL, components=[part()], assay=None)
    assert decide(better, study(mt=0.9), LEARNED).label == "supported"


def test_preconditions_come_before_the_numbers(study):
    failed = {"learned": Precondition("the pretraining learned", False, "-1 over random play")}
    verdict = decide(EQUAL, study(), failed)
    assert str(verdict) == "undecided: the pretraining learned: not shown (-1 over random play)"
    assert decide(EQUAL, study(mt=0.9), failed).label == "undecided"
    assert str(decide(EQUAL, study(), {})).startswith("undecided: learned: not shown (not tested")


def test_what_was_not_run_is_named_and_does_not_save_a_wrong_claim(study):
    unknown = part(name="x", right="pearl")
    verdict = decide(replace(EQUAL, components=[part("equivalence"), unknown]), study(), {})
    assert str(verdict).startswith("undecided: learned: not shown")
    assert (verdict.components[1].estimate, verdict.seeds_needed) == (None, None)
    everything = decide(replace(EQUAL, components=[unknown]), study(), {})
    assert str(everything) == "undecided: not run: pearl"
    wrong = decide(replace(EQUAL, components=[part("equivalence"), unknown]), study(mt=0.9), LEARNED)
    assert wrong.label == "contradicted"
    elsewhere = replace(EQUAL, components=[part(summary="slope")])
    assert str(decide(elsewhere, study(), LEARNED)) == "undecided: not measured: slope"


def test_too_small_never_decides_and_says_what_would(study):
    verdict = decide(EQUAL, study(seeds=3, spread=5), LEARNED)
    assert str(verdict).startswith("undecided: too small (3 checkpoints a method, at least 5")
    assert verdict.seeds_needed == equivalence_seeds_needed(0.1, [0.05, 0.05]) > 5
    assert decide(EQUAL, study(mt=0.9, seeds=3), LEARNED).label == "undecided"
    alone = decide(EQUAL, study(seeds=1), LEARNED)
    assert str(alone).startswith("undecided: too small (1 checkpoint a method")
    wide = decide(EQUAL, study(spread=10), LEARNED)
    assert wide.reason == "too small (the interval is wider than the margin on either side)"


def test_needed_seeds_follow_the_kind(study):
    sd = NOISE.std(ddof=1)
    cells = study(spread=10)
    for change, needed in (
        # mt and reptile are equal, 95 % [-.23, .23]: .2, a margin beyond the margin, is not excluded.
        ({}, seeds_needed(0.1, [10 * sd] * 2)),
        ({"kind": "non-inferiority"}, seeds_needed(0.1, [10 * sd] * 2)),
        ({"kind": "equivalence"}, equivalence_seeds_needed(0.1, [10 * sd] * 2)),
        ({"margin": 0, "detect": 0.2}, seeds_needed(0.2, [10 * sd] * 2)),
        ({"margin": 0}, None),
    ):
        (found,) = decide(replace(EQUAL, components=[part(**change)]), cells, LEARNED).components
        assert found.seeds_needed == needed


def test_runs_that_cannot_be_compared_cost_one_claim_not_the_report(study):
    cells = study()
    cells["value"]["mt"] = cells["value"]["mt"].head(0)
    assert decide(EQUAL, cells, LEARNED).reason == "not run: mt"
    cells = study(spread=0)
    assert decide(EQUAL, cells, LEARNED).reason.startswith("no interval (all checkpoints agree exactly")
    cells["value"]["mt"] = cells["value"]["mt"].with_columns(task=pl.lit("other"))
    assert "cannot be compared" in decide(EQUAL, cells, LEARNED).reason


def test_agreeing_checkpoints_can_decide_where_scores_are_bounded(study):
    claim = replace(EQUAL, components=[part(right="scratch")], assay=None, min_checkpoints=5)
    cells = study(mt=1.0, scratch=0.0, spread=0)
    assert decide(claim, cells, LEARNED).label == "undecided"
    verdict = decide(claim, cells, LEARNED, score_bounds={"value": (0, 1)})
    # Both limits .5218 away: 1 - sqrt(2) .5218 = .262 > .1.
    assert verdict.label == "supported"
    assert verdict.components[0].interval.low == pytest.approx(1 - 2**0.5 * (1 - 0.025**0.2))


def test_how_a_component_must_lie():
    assert part().claimed == "> +0.10"
    assert part(margin=0).claimed == "> 0"
    assert part("non-inferiority", 0.05).claimed == "> −0.05"
    assert part("equivalence", 0.05).claimed == "within ±0.05"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "equal"}, "kind='equal'"),
        ({"kind": "equivalence", "margin": 0}, "margin=0"),
        ({"margin": -0.1}, "margin=-0.1"),
        ({"detect": 0.0}, "detect=0.0"),
        ({"weights": {"mt": 0}}, "weights="),
    ],
)
def test_bad_components(change, message):
    with pytest.raises(ValueError, match=message):
        part(**change)


def test_bad_claims():
    with pytest.raises(ValueError, match="C1 has no components"):
        replace(EQUAL, components=[])
    with pytest.raises(ValueError, match="min_checkpoints=1"):
        replace(EQUAL, min_checkpoints=1)


def test_pretraining_learned_needs_an_interval_above_random():
    assert pretraining_learned([5, 6, 7], [2.0, 2.5, 1.5]).holds is True
    assert pretraining_learned([1, 6, 2], [2.0, 2.5, 1.5]).holds is False
    assert pretraining_learned([5, 6, 7], [2.0]).holds is True
    alone = pretraining_learned([5], [2.0, 2.5])
    assert alone.holds is None
    assert "no interval" in alone.reason
    assert pretraining_learned([], [1.0]).holds is None
