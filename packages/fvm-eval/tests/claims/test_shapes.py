import numpy as np
import pytest
from fvm_eval.claims import Claim, Component, Precondition, Unit, decide, however_tuned, steps
from fvm_eval.statistics.contrasts import contrast, slope_weights

NOISE = np.array([-0.02, -0.01, 0.0, 0.01, 0.02])[:, None]


@pytest.fixture
def rising(cells):
    def rising(*means):
        return {"score": {f"m{i}": cells(mean + NOISE, f"m{i}") for i, mean in enumerate(means)}}

    return rising


STEPS = steps("multi-task", "score", {f"{10**i} levels": {f"m{i}": 1.0} for i in range(3)})
RISES = Claim(id="C2", statement="The score rises", scope="from 1 to 100 levels", components=STEPS)


def test_a_rise_and_a_fall_are_no_rise_whatever_the_slope(rising):
    fallen = rising(0.1, 0.9, 0.3)
    slope = contrast(fallen["score"], slope_weights({"m0": 0, "m1": 1, "m2": 2}))
    assert slope.p_above(0) < 0.001  # which a slope calls a rise
    assert decide(RISES, fallen, {}).label == "contradicted"
    assert decide(RISES, rising(0.1, 0.3, 0.9), {}).label == "supported"
    assert [part.name for part in STEPS] == [
        "multi-task, 10 levels − 1 levels",
        "multi-task, 100 levels − 10 levels",
    ]
    with pytest.raises(ValueError, match="needs two"):
        steps("x", "score", {"1": {"m0": 1.0}})


def test_a_step_of_a_difference(rising):
    arms = {"small": {"m0": 1.0, "m1": -1.0}, "large": {"m2": 1.0, "m1": -1.0}}
    (part,) = steps("advantage", "score", arms, margin=0.1)
    assert part.weights == {"m2": 1.0, "m1": 0.0, "m0": -1.0}
    assert part.arms == ("m2", "m0")


def test_however_tuned_takes_every_point(rising):
    claim = however_tuned(
        id="C1t",
        mine="m0",
        chosen="m2",
        points=["m1", "m2", "m3"],
        summary="score",
        names={"m0": "Multi-task", "m2": "Reptile"},
    )
    assert claim.sentence() == "Multi-task beats Reptile, however tuned (3 points of its grid)."
    assert decide(claim, rising(0.9, 0.2, 0.4, 0.3), {}).label == "supported"
    # It beats the chosen point, not the point that was passed over.
    assert decide(claim, rising(0.9, 0.2, 0.4, 0.95), {}).label == "contradicted"
    assert decide(claim, rising(0.9, 0.2, 0.4, 0.9), {}).label == "undecided"
    chosen = rising(0.9, 0.2, 0.4)
    del chosen["score"]["m1"]
    verdict = decide(claim, chosen, {})
    assert verdict.label == "supported in part"
    assert verdict.sentence == "Multi-task beats Reptile, at the rival's chosen point."
    with pytest.raises(ValueError, match="none of the points"):
        however_tuned(id="x", mine="a", chosen="b", points=["c"], summary="score", names={})


def test_parts_that_were_not_run_leave_in_part(rising):
    verdict = decide(RISES, rising(0.1, 0.3), {})
    assert str(verdict) == "supported in part: 1 of 2 parts were run and pass; not run: m2"
    assert verdict.sentence == "The score rises, from 1 to 100 levels."
    assert str(decide(RISES, rising(0.1), {})) == "undecided: not run: m1; not run: m2, m1"


def test_no_gain_is_one_sided(rising):
    """An upper bound on the gain: a fall is no gain either, which equivalence would call contradicted."""
    weights = {"m1": 1.0, "m0": -1.0}
    still = Component(name="gain", summary="score", weights=weights, kind="no gain", margin=0.05)
    assay = Component(name="control", summary="score", weights={"m2": 1, "m0": -1}, margin=0.05)
    claim = Claim(id="C4", statement="No gain", components=[still], assay=assay)
    assert still.claimed == "< +0.05"
    assert decide(claim, rising(0.3, 0.3, 0.6), {}).label == "supported"
    assert decide(claim, rising(0.5, 0.1, 0.8), {}).label == "supported"
    assert decide(claim, rising(0.3, 0.5, 0.6), {}).label == "contradicted"
    assert decide(claim, rising(0.3, 0.35, 0.6), {}).label == "undecided"
    assert "no assay sensitivity" in str(decide(claim, rising(0.3, 0.3, 0.3), {}))


def test_a_rival_that_did_not_learn_is_not_beaten(rising):
    part = Component(
        name="a − b", summary="score", weights={"m0": 1, "m1": -1}, margin=0.1, rival_learned=["b learned"]
    )
    claim = Claim(id="C1", statement="s", components=[part])
    learned = {"b learned": Precondition("b learned", True, "+1 over random play")}
    lost = {"b learned": Precondition("b learned", False, "-1 over random play")}
    assert decide(claim, rising(0.9, 0.1), learned).label == "supported"
    verdict = decide(claim, rising(0.9, 0.1), lost)
    assert str(verdict) == "undecided: the rival did not learn (b learned: not shown (-1 over random play))"
    assert str(decide(claim, rising(0.9, 0.1), {})).startswith("undecided: the rival did not learn")


def test_nothing_is_claimed_from_values_that_are_no_numbers(rising):
    """C1 once came out supported over rivals of which 7 of 8 seeds were NaN."""
    part = Component(name="a − b", summary="score", weights={"m0": 1, "m1": -1}, margin=0.1)
    claim = Claim(id="C1", statement="s", components=[part])
    for value in (np.nan, np.inf, -np.inf, 1e300):
        cells = rising(0.9, 0.1)
        broken = cells["score"]["m1"]["value"].to_numpy().copy()
        broken[1:] = value
        cells["score"]["m1"] = cells["score"]["m1"].with_columns(value=broken)
        for bounds in (None, {"score": (0.0, 1.0)}):
            verdict = decide(claim, cells, {}, score_bounds=bounds)
            assert str(verdict).startswith("undecided: not estimable: 4 of 5 checkpoints")
            assert (verdict.interval.low, verdict.seeds_needed) == (None, None)


def test_a_table_with_holes_decides_nothing(rising):
    import polars as pl

    cells = rising(0.9, 0.1)
    two = [arm.with_columns(task=pl.lit("t1")) for arm in cells["score"].values()]
    holed = {n: pl.concat([a, b]) for (n, a), b in zip(cells["score"].items(), two, strict=True)}
    part = Component(name="a − b", summary="score", weights={"m0": 1, "m1": -1}, margin=0.1)
    claim = Claim(id="C1", statement="s", components=[part])
    assert decide(claim, {"score": holed}, {}).label == "supported"
    holed["m1"] = holed["m1"].head(7)
    verdict = decide(claim, {"score": holed}, {})
    assert "cells are missing (estimated on 1 of 2 tasks" in str(verdict)
    assert verdict.components[0].estimate.mean == pytest.approx(0.8)


def test_the_number_has_its_unit(rising):
    unit = Unit("points of return", 0, 10)
    claim = Claim(
        id="C1",
        statement="s.",
        components=[Component(name="a − b", summary="score", weights={"m0": 1, "m1": -1}, margin=0.1)],
    )
    verdict = decide(claim, rising(0.3, 0.8), {}, units={"score": unit})
    assert verdict.measured == "−0.50 of the range 0 to 10, −5 points of return"
    with pytest.raises(ValueError, match="low < high"):
        Unit("x", 1, 1)


def test_seeds_needed_assume_no_effect_that_was_excluded(rising):
    part = Component(name="a − b", summary="score", weights={"m0": 1, "m1": -1}, margin=0.1, detect=0.3)
    claim = Claim(id="C1", statement="s", components=[part], min_checkpoints=2)
    hopeless = decide(claim, rising(0.5, 0.5), {})
    assert hopeless.label == "contradicted"
    assert hopeless.components[0].seeds_needed is None
    near = decide(claim, rising(0.5, 0.4), {})
    assert near.components[0].seeds_needed > 5  # .3 beyond the margin would take 2
    bounded = decide(claim, rising(0.5, 0.4), {}, score_bounds={"score": (0, 1)})
    assert bounded.components[0].estimate.how == "MOVER"
    assert bounded.seeds_needed >= 20
