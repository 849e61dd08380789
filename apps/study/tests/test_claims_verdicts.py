"""Every claim reaches every verdict, on tables that are made from the claim itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import cast

import numpy as np
import polars as pl
import pytest
from fvm_eval.claims import Claim, ClaimVerdict, Component, Precondition, decide
from study.claims import claims_of
from study.claims.arms import AREA_BY_ORDER
from study.claims.retention import retention_claims
from study.claims.rlbench import rlbench_claims
from study.config import StudyConfig
from study.errors import StudyError
from study.plan import make_plan
from study.presets import atari, procgen, rlbench, toy
from study.registry import ClaimKind, registered
from study.results.collect import Results

SIZED = replace(
    procgen.SMALL,
    methods=("scratch", "multitask", "reptile", "rl2", "rl2-reset"),
    evaluation=replace(procgen.SMALL.evaluation, new_lifetimes=0),
    train_sizes=(100, 1000, 10_000),
)
# Of presets that exist: methods that learn on RLBench, and retained fine-tuning on a toy.
MANIPULATION = replace(
    rlbench.PLAYERS_PRESET,
    methods=("scratch", "multitask", "reptile", "pearl"),
    held_out=rlbench.TEST_TASKS[:2],
    train_sizes=(6,),
    pool=rlbench.TRAINING_TASKS,
    margin=0.1,
    pretrain=atari.SMALL.pretrain,
    adapt=atari.SMALL.adapt,
)
RETAINED = SimpleNamespace(
    methods=("multitask", "multitask+bc"),
    unit="task",
    margin=0.1,
    adapt=toy.SCHEDULES.adapt,
    train_sizes=(16,),
    folds=(),
    demos=(),
    far=None,
    held_out=("a",),
)


def every_claim() -> list[Claim]:
    found = [
        claim
        for config in (SIZED, replace(atari.SMALL, margin=0.1), toy.SCHEDULES, toy.PEARL)
        for claim in claims_of(config)
    ]
    hidden = [replace(config, family="toy/hidden-catch") for config in (toy.SCHEDULES, toy.PEARL)]
    found += [claim for config in hidden for claim in claims_of(config)]
    return [*found, *rlbench_claims(MANIPULATION), *claims_like_retention()]


def claims_like_retention() -> list[Claim]:
    """Of a study that keeps what it knows while it fine-tunes; the names of its methods do not matter."""
    return retention_claims(cast(StudyConfig, RETAINED))


def test_only_what_keeps_something_is_claimed_to_prevent_forgetting() -> None:
    beside = ("multitask+head-reset", "multitask+low-rate", "multitask+l2-init", "multitask+head-reset+ewc")
    study = SimpleNamespace(**{**vars(RETAINED), "methods": ("multitask", "multitask+bc", *beside)})
    assert [claim.id for claim in retention_claims(cast(StudyConfig, study))] == [
        "C11 bc",
        "C11 head-reset+ewc",
    ]


@pytest.mark.parametrize(
    ("config", "ids"),
    [
        (rlbench.QUICK, ["C11 em, 0 demos", "C11 em, 1 demo", "C11 em, 2 demos"]),
        (
            replace(procgen.QUICK, train_sizes=(100, 1_000)),
            ["C11 em, 100 training levels", "C11 em, 1,000 training levels"],
        ),
        (procgen.QUICK, ["C11 em"]),
    ],
)
def test_forgetting_is_claimed_of_rows_that_the_study_has(config: StudyConfig, ids: list[str]) -> None:
    config = replace(config, methods=("multitask", "multitask:gradient+em"))
    claims = retention_claims(config)
    assert [claim.id for claim in claims] == ids
    rows = {job.method for job in make_plan(config).jobs}
    for claim in claims:
        named = [set(part.weights) for part in claim.components if part.summary != AREA_BY_ORDER]
        assert set.union(*named) <= rows
        assert len(set.union(*named)) == 2


def test_what_several_fine_tunings_keep_has_an_id_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two claims of one name ended a study when all of it had run."""
    plain = ("multitask", "reptile", "multitask:encoder")
    kept = ("multitask:gradient+em", "reptile:gradient+em", "multitask:encoder+em", "reptile:gradient+bc")
    config = replace(procgen.QUICK, methods=(*plain, *kept))
    ids = ["C11 em", "C11 em, reptile", "C11 em, multitask:encoder", "C11 bc"]
    assert [claim.id for claim in claims_of(config) if claim.id.startswith("C11")] == ids
    monkeypatch.setitem(registered().claims, "again", ClaimKind(name="again", claims=retention_claims))
    with pytest.raises(StudyError, match="several claims are called C11 bc, C11 em, C11 em, multitask"):
        claims_of(config)


CLAIMS = every_claim()
NOISE = np.array([-0.02, -0.01, 0.0, 0.01, 0.02, 0.005, -0.005, 0.0])
Cells = dict[str, dict[str, pl.DataFrame]]


def names_of(claims: Sequence[Claim]) -> list[str]:
    return [f"{claim.id} {i}" for i, claim in enumerate(claims)]


def right(part: Component) -> float:
    """Where the contrast lies if the component is clearly true."""
    return {"superiority": part.margin + 0.3, "non-inferiority": 0.1}.get(part.kind, 0.0)


def wrong(part: Component) -> float:
    """Where it lies if its opposite is."""
    beyond = {"superiority": part.margin - 0.5, "non-inferiority": -part.margin - 0.5}
    return beyond.get(part.kind, part.margin + 0.5)


def tables(parts: Sequence[Component], where: Callable[[Component], float], seeds: int = 8) -> Cells:
    """Cells of all arms whose means make every part's contrast lie where it should."""
    found: Cells = {}
    for summary in dict.fromkeys(part.summary for part in parts):
        mine = [part for part in parts if part.summary == summary]
        arms = list(dict.fromkeys(arm for part in mine for arm in part.arms))
        rows = np.array([[part.weights.get(arm, 0.0) for arm in arms] for part in mine])
        means = np.linalg.lstsq(rows, np.array([where(part) for part in mine]), rcond=None)[0]
        np.testing.assert_allclose(rows @ means, [where(part) for part in mine], atol=1e-9)
        found[summary] = {
            arm: pl.DataFrame(
                {
                    "fold": 0,
                    "checkpoint": [f"{arm}/{seed}" for seed in range(seeds)],
                    "task": "t",
                    "value": mean + np.roll(NOISE, i)[:seeds],
                }
            )
            for i, (arm, mean) in enumerate(zip(arms, means, strict=True))
        }
    return found


def met(claim: Claim) -> dict[str, Precondition]:
    needed = [*claim.preconditions]
    for part in claim.components:
        needed += [*part.preconditions, *part.rival_learned]
    return {name: Precondition(name, True, "") for name in needed}


def parts_of(claim: Claim) -> list[Component]:
    own = [*claim.components]
    return own if claim.assay is None or claim.assay in own else [*own, claim.assay]


@pytest.mark.parametrize("claim", CLAIMS, ids=names_of(CLAIMS))
def test_supported_where_every_part_is_true(claim: Claim) -> None:
    verdict = decide(claim, tables(parts_of(claim), right), met(claim))
    assert verdict.words == "supported", verdict.words
    assert verdict.sentence.startswith(claim.statement.rstrip("."))


@pytest.mark.parametrize("claim", CLAIMS, ids=names_of(CLAIMS))
def test_contradicted_by_each_part_alone(claim: Claim) -> None:
    for part in claim.components:
        verdict = decide(replace(claim, components=[part]), tables([part], wrong), met(claim))
        assert verdict.label == "contradicted", (part.name, verdict.words)


@pytest.mark.parametrize("claim", CLAIMS, ids=names_of(CLAIMS))
def test_undecided_without_runs_seeds_preconditions_or_assay(claim: Claim) -> None:
    good, learnt = tables(parts_of(claim), right), met(claim)

    def verdict(cells: Cells, known: dict[str, Precondition] = learnt) -> ClaimVerdict:
        return decide(claim, cells, known)

    assert verdict({}).words.startswith("undecided: not measured")
    assert "too small" in verdict(tables(parts_of(claim), right, seeds=3)).words
    if learnt:
        assert verdict(good, {}).label == "undecided"
    for name in learnt:
        lost = {**learnt, name: Precondition(name, False, "did not")}
        found = verdict(good, lost)
        assert found.label == "undecided"
        assert "not shown" in found.reason
    if claim.assay is not None and claim.assay not in claim.components:
        absent = {s: dict(arms) for s, arms in good.items()}
        own = {arm for part in claim.components if part.summary == claim.assay.summary for arm in part.arms}
        for arm in set(claim.assay.arms) - own:
            del absent[claim.assay.summary][arm]
            assert "no assay sensitivity" in verdict(absent).words
            break


@pytest.mark.parametrize("claim", CLAIMS, ids=names_of(CLAIMS))
def test_in_part_where_some_parts_were_not_run(claim: Claim) -> None:
    """Which of a claim's parts were run decides its words."""
    first, *others = claim.components
    kept = {(first.summary, arm) for arm in first.arms}
    kept |= {(claim.assay.summary, arm) for arm in claim.assay.arms} if claim.assay else set()
    dropped = 0
    for part in others:
        cells = tables(parts_of(claim), right)
        alone = [arm for arm in part.arms if (part.summary, arm) not in kept]
        if not alone:
            continue
        for arm in alone:
            del cells[part.summary][arm]
        verdict = decide(claim, cells, met(claim))
        assert verdict.label == "supported in part", verdict.words
        assert "not run" in verdict.reason or "not measured" in verdict.reason
        dropped += 1
    assert dropped or len({arm for part in others for arm in part.arms} - set(first.arms)) == 0


def test_all_eleven_are_there_each_with_its_scope() -> None:
    ids = {claim.id.split()[0].rstrip("abcz") for claim in CLAIMS}
    assert {f"C{number}" for number in range(1, 12)} <= ids
    assert all(claim.scope for claim in CLAIMS if claim.id.startswith("C"))


@dataclass
class Decision:
    """A verdict as a line of the terminal needs it."""

    claim: Claim
    seeds_needed: int | None = None

    def __str__(self) -> str:
        return "undecided: too small"


def test_a_statement_ends_before_its_verdict_begins() -> None:
    part = Component(name="a", summary="b", weights={"scratch": 1}, margin=0)
    claims = [
        Claim(id=f"C{n}", statement=said, components=[part]) for n, said in enumerate(("It is so", "It is."))
    ]
    verdicts = [Decision(claims[0]), Decision(claims[1], 4360)]
    shown = SimpleNamespace(
        analysis=SimpleNamespace(claims=[SimpleNamespace(verdict=one) for one in verdicts])
    )
    assert Results.verdicts.fget(shown) == [  # type: ignore[attr-defined]
        "C0  It is so. Undecided: too small",
        "C1  It is. Undecided: too small; about 4,360 seeds would decide",
    ]
