"""A claim that no data could contradict, or none could show, is no claim: it stays undecided and says so."""

import numpy as np
import polars as pl
import pytest
from fvm_eval.claims import Component, decide
from fvm_eval.claims.claim import Claim


def cells(mean, name):
    rng = np.random.default_rng(len(name))
    return pl.DataFrame(
        [
            {"method": name, "fold": 0, "seed": s, "checkpoint": f"{name}/{s}", "task": t, "value": value}
            for s in range(8)
            for t, value in zip("tu", np.clip(rng.normal(mean, 0.05, 2), 0, 1), strict=True)
        ]
    )


ARMS = {"final": {"a": cells(0.8, "a"), "bb": cells(0.3, "bb")}}
PAIR = {"a": 1.0, "bb": -1.0}


def verdict(part, bounds=(0.0, 1.0)):
    claim = Claim(id="A", statement="It is so", components=[part])
    return decide(claim, ARMS, {}, score_bounds={"final": bounds} if bounds else {}, units={})


@pytest.mark.parametrize(
    ("kind", "margin", "weights"),
    [
        ("equivalence", 1.5, PAIR),
        ("non-inferiority", 1.2, {"bb": 1.0, "a": -1.0}),
        ("no gain", 1.1, PAIR),
        ("equivalence", 0.1, {"a": 0.05, "bb": -0.05}),  # weights that make any difference small
    ],
)
def test_what_nothing_could_contradict_is_not_supported(kind, margin, weights):
    part = Component(name="x", summary="final", weights=weights, kind=kind, margin=margin)
    found = verdict(part)
    assert found.label == "undecided"
    assert "nothing could contradict it: the contrast lies in" in found.reason


def test_what_nothing_could_show_is_not_contradicted():
    part = Component(name="x", summary="final", weights=PAIR, kind="superiority", margin=1.0)
    found = verdict(part)
    assert found.label == "undecided"
    assert "nothing could pass: the contrast lies in -1 to 1" in found.reason


def test_a_margin_within_the_possible_is_decided_as_ever():
    part = Component(name="x", summary="final", weights=PAIR, kind="superiority", margin=0.1)
    assert verdict(part).label == "supported"
    assert verdict(part, None).label == "supported"
