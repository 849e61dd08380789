import re
from dataclasses import replace
from html import unescape

import numpy as np
import polars as pl
import pytest
from fvm_eval.analysis import analyse
from fvm_eval.analysis.decisions import at_second_margin
from fvm_eval.claims import Claim, Comparison, Component, Look, decide
from fvm_eval.fairness.completeness import check_size
from fvm_eval.report.claims_table import claims
from fvm_eval.report.headline import answer
from fvm_eval.report.sections import costs, estimand
from fvm_eval.report.text import limits


@pytest.fixture(scope="module")
def study(design):
    return design(families=4, sizes=(100, 1000), tasks=2, seeds=5, online=None, pretraining=None)


@pytest.fixture(scope="module")
def analysis(study):
    return analyse(study)


@pytest.fixture(scope="module")
def cards(analysis):
    """The claims as text, a card a claim."""
    table = claims(analysis)
    return [
        text(card)
        for card in re.findall(
            r"<tbody><tr><td class=\"what\">.*?(?=<tbody><tr><td class=\"what\"><b>C|$)", table
        )
    ]


def text(markup):
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", markup))).strip()


def superiority(margin=0.10, summary="Value at budget", right="scratch"):
    weights = {"multitask@1000": 1.0, right: -1.0}
    return Component(name="multi-task − other", summary=summary, weights=weights, margin=margin)


def test_each_card_shows_what_decide_says(study, analysis, cards):
    cells = {summary.name: summary.cells for summary in analysis.summaries}
    for name, table in study.cells.items():
        cells[name] = {arm: table.filter(pl.col("method") == arm) for arm in table["method"].unique()}
    conditions = {item.name: item for item in study.preconditions}
    bounds = dict.fromkeys((s.name for s in analysis.summaries), (0.0, 1.0))
    assert len(cards) == len(study.claims) == 5
    labels = set()
    for claim, card in zip(study.claims, cards, strict=True):
        verdict = decide(claim, cells, conditions, score_bounds=bounds)
        labels.add(verdict.label)
        assert card.startswith(f"{claim.id} {claim.statement}")
        marks = {"supported": "✓", "contradicted": "✗", "undecided": "?"}
        assert f"{marks[verdict.label]} {verdict.label}" in card
        assert not claim.paper_says or f"The paper: {claim.paper_says}" in card
        if verdict.label == "undecided":
            assert verdict.reason.lower() in card.lower()
        if verdict.seeds_needed is not None:
            assert f"About {verdict.seeds_needed:,} seeds a method would show it." in card
        for part in verdict.components:
            ends = part.interval.low, part.interval.high
            low, high = (f"{end:+.{3 if abs(end) < 0.005 else 2}f}".replace("-", "−") for end in ends)
            limits = f"[{low}, {high}]"
            assert part.component.name in card
            assert limits in card
            assert part.component.claimed in card
    assert labels == {"supported", "contradicted", "undecided"}


def test_a_second_margin_is_decided_where_the_first_is_a_tenth(study, cards):
    claim = study.claims[0]
    smaller = at_second_margin(claim)
    assert {part.margin for part in smaller.components} == {0.05}
    assert smaller.assay.margin == 0.05
    assert "At a margin of 0.05:" in cards[0]
    by_id = dict(zip([c.id for c in study.claims], cards, strict=True))
    assert "At a margin of 0.05" not in by_id["C4"], "its margin is .05 already"
    assert "At a margin of 0.05" not in by_id["C10"], "a tenth of a logarithm is no tenth of a score"


def test_the_number_shown_is_that_of_the_part_the_verdict_hangs_on(study, design):
    parts = [superiority(), superiority(right="multitask@100"), superiority(summary="Zero-shot (jump-start)")]
    claim = Claim(id="C1", statement="s", components=parts)
    analysis = analyse(design(families=4, sizes=(100, 1000), tasks=2, seeds=5, claims=[claim]))
    decided = analysis.claims[0]
    still = [part for part in decided.verdict.components if not part.passed]
    assert decided.deciding == still[0]
    assert f"<b>{still[0].estimate.mean:+.2f}</b>".replace("-", "−") in claims(analysis)
    assert "the first open part: multi-task − other, value at budget" in claims(analysis)


def test_the_headline_is_the_first_claim(analysis):
    shown, labels = text(answer(analysis)), [decided.verdict.label for decided in analysis.claims]
    assert shown.startswith(
        f"{labels[0].capitalize()}: Multi-task pretraining with fine-tuning does no worse"
    )
    counts = ", ".join(
        f"{labels.count(label)} {label}" for label in ("supported", "contradicted", "undecided")
    )
    assert f"Of 5 claims: {counts}." in shown


def test_an_interval_of_a_later_look_is_shown_with_its_own_level(study, analysis):
    looks = [
        Look("a" * 64, 3, planned=True),
        Look("b" * 64, 4, planned=False),
        Look("c" * 64, 5, planned=False),
    ]
    later = replace(
        study, looks=looks, comparisons=[Comparison(left="rl2@100", right="scratch", estimand="s")]
    )
    assert later.level == pytest.approx(0.3 / (2 * np.pi) ** 2)  # the second unplanned look: .0076
    found = analyse(later)
    shown, first = claims(found), found.claims[0].deciding.interval
    assert "99.2 % interval" in shown
    assert "95 % interval" not in shown
    assert "95 % interval" in claims(analysis)
    assert "99.2 %" not in claims(analysis)
    usual = analysis.claims[0].deciding.interval
    assert first.high - first.low > usual.high - usual.low
    assert f", 99.2 % {limits(first, float, signed=True)}" in text(answer(found))
    assert "95 % on" not in estimand(found)
    assert "99.2 % on these tasks" in estimand(found)
    alone = analyse(replace(later, claims=[]))
    assert ", 99.2 % [" in text(answer(alone))
    assert ", 95 % [" not in text(answer(alone))


def test_an_arm_that_was_not_run_leaves_its_claim_undecided(design):
    part = Component(name="PEARL − scratch", summary="Value at budget", weights={"pearl": 1.0}, margin=0.1)
    claim = Claim(id="C5", statement="PEARL beats scratch.", components=[part])
    analysis = analyse(design(families=2, sizes=(100,), tasks=1, seeds=2, claims=[claim]))
    shown = text(claims(analysis))
    assert "? undecided Not run: pearl." in shown
    assert "– – > +0.10" in shown
    assert text(answer(analysis)).startswith("Undecided: PEARL beats scratch. Not run: pearl.")


def test_the_headline_passes_over_a_claim_of_which_nothing_was_run(design, analysis):
    part = Component(name="PEARL − scratch", summary="Value at budget", weights={"pearl": 1.0}, margin=0.1)
    nowhere = Claim(id="C5", statement="PEARL beats scratch.", components=[part])
    ran = [decided.verdict.claim for decided in analysis.claims]
    again = analyse(replace(analysis.study, claims=[nowhere, *ran]))
    assert text(answer(again)).startswith(text(answer(analysis)).split(" Of 5 claims")[0])


def test_the_rule_on_size_counts_claims_with_few_checkpoints(design, study, analysis):
    assert analysis.checks[9].status == "holds"
    assert "0 of 5 with too few checkpoints" in analysis.checks[9].reason
    few = analyse(design(families=4, sizes=(100, 1000), tasks=2, seeds=4))
    assert few.checks[9].status == "holds"
    assert "5 undecided; 5 of 5 with too few checkpoints" in few.checks[9].reason
    lax = replace(study.claims[4], min_checkpoints=2)
    decided = analyse(replace(few.study, claims=[lax])).claims[0]
    assert decided.verdict.label == "contradicted"
    assert check_size([replace(decided.verdict, claim=study.claims[4])]).status == "fails"


def test_device_seconds_are_geometric_means_with_their_ratio_to_multi_task(design):
    rows = [
        (arm, 0, seed, f"{arm}/{seed}", "pretraining", float(np.log(seconds)))
        for arm, both in {"multitask": (100.0, 400.0), "rl2": (300.0, 1200.0), "other": (50.0, 50.0)}.items()
        for seed, seconds in enumerate(both)
    ]
    table = pl.DataFrame(rows, schema=["method", "fold", "seed", "checkpoint", "task", "value"], orient="row")
    study = design(families=4, sizes=(100,), tasks=1, seeds=2, cells={"Log device seconds": table}, claims=[])
    found = analyse(study).device_seconds
    assert found["multitask"].seconds == pytest.approx(200)  # sqrt(100 x 400)
    assert found["multitask"].ratio is None
    assert found["rl2"].ratio.mean == pytest.approx(3)
    assert found["rl2"].ratio.low < 3 < found["rl2"].ratio.high
    assert found["other"].ratio is None, "its training-set size is not multi-task's"
    assert "RL2 (100 levels) 600 × 3.00" in text(costs(analyse(study)))
