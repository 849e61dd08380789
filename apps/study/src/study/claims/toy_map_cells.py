"""The map's four studies side by side: their runs as one table, who is best in each cell, P1 to P4 decided.

Runs of a study are its episodes' means: returns are 0 or 1, so that a mean and a number of episodes say all.
Orders are named alike in every family, clusters apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl
from fvm_envs.task import TaskSet
from fvm_envs.toy.catch import best_first_trial_return, best_second_trial_return
from fvm_eval.analysis.study_results import AREA
from fvm_eval.claims import Claim, ClaimVerdict, Precondition, decide, pretraining_learned
from fvm_eval.curves import area_under_curve, run_curves
from fvm_eval.statistics.contrasts import contrast
from fvm_eval.statistics.hypothesis import holm
from fvm_eval.statistics.variance import REDRAWN, known_redrawn

from study.claims.arms import learned
from study.claims.toy_map import EXPLORES, OF_OPTIMUM, RL2, value_after
from study.config import StudyConfig
from study.folder.store import Store
from study.methods import Method, Row
from study.plan import Plan, make_plan

RUN = ["method", "fold", "seed", "checkpoint", "task"]
BOUNDS = (0.0, 1.0)
LEAST_SEEDS = 5
Cells = Mapping[str, Mapping[str, pl.DataFrame]]


def runs_of(plan: Plan, store: Store, marks: int) -> pl.DataFrame:
    """Returns the finished runs of a study: marks, a run, env_step, value, episodes."""
    jobs = [job for job in plan.jobs if job.kind == "adapt" and store.done(job)]
    runs = run_curves(store.table(jobs, "episodes").select(*RUN, "env_step", "episode", "score"))
    return runs.select(pl.lit(marks, dtype=pl.Int64).alias("marks"), pl.all())


def returns_of(plan: Plan, store: Store, marks: int) -> pl.DataFrame:
    """Returns what pretrained agents and random play reach on training orders.

    Columns marks, method, seed, policy, value, optimum: a mean episode's return, of agents that remember of
    a mean trial of their lifetimes; the best possible is that of a player who knows the training orders.
    """
    rows = []
    for job in plan.jobs:
        if job.spec.get("measure") != "training-return" or not store.done(job) or job.parent is None:
            continue
        spec = job.parent.spec
        trials = spec["config"]["trials"] if "reward_scale" in spec else 1
        best = best_mean_trial(spec["tasks"], trials)
        table = store.table([job], "rows")
        for (policy,), mine in table.group_by("policy", maintain_order=True):
            by_task = mine.group_by("task", maintain_order=True).agg(pl.col("score").mean())
            value = float(by_task["score"].to_numpy().mean())
            rows.append((marks, job.method, job.seed, policy, value, best))
    columns = ["marks", "method", "seed", "policy", "value", "optimum"]
    return pl.DataFrame(rows, schema=columns, orient="row")


def best_mean_trial(tasks: Sequence[str], trials: int) -> float:
    """Returns an upper limit of a lifetime's mean return: the best first trial, then the best later ones."""
    orders = TaskSet(list(tasks))
    first, later = best_first_trial_return(orders), best_second_trial_return(orders)
    return (first + (trials - 1) * later) / trials


def whole_seeds(runs: pl.DataFrame, config: StudyConfig) -> pl.DataFrame:
    """Returns the runs of those seeds of a study of which every planned run has finished."""
    planned = sum(
        len(job.spec["at"]) for job in make_plan(replace(config, seeds=1)).jobs if job.kind == "adapt"
    )
    sizes = runs.group_by("seed").len()
    whole = sizes.filter(pl.col("len") == planned)["seed"]
    return runs.filter(pl.col("seed").is_in(whole.implode())).sort("marks", *RUN, "env_step")


def beside(runs: pl.DataFrame, study: str = "{} marks", column: str = "marks") -> pl.DataFrame:
    """Returns the runs of several studies as those of one: arms and clusters say their study.

    Each seed of these studies draws its split anew, which the column `redrawn` says.

    Args:
        runs: With a column that tells the studies apart.
        study: What an arm says of its study, around that column's value.
        column: Its name.
    """
    return known_redrawn(runs, redrawn=True).with_columns(
        method=pl.format(f"{study}: {{}}", column, "method"),
        checkpoint=pl.format(f"{study}: {{}}", column, "checkpoint"),
        task=pl.format("order/{}", pl.col("task").str.split("/").list.last()),
        won_of=pl.col("episodes").cast(pl.Int64),
    )


def cells_of(arms: pl.DataFrame, budget: int) -> Cells:
    """Returns the cells of every summary by arm: the value at each snapshot, and the area under the curve.

    Args:
        arms: From `beside`.
        budget: Env steps of adaptation.
    """
    tables = {
        value_after(step): arms.filter(pl.col("env_step") == step).select(*RUN, "value", "won_of", REDRAWN)
        for step in arms["env_step"].unique().sort()
    }
    tables[AREA] = area_under_curve(arms, budget)
    return {
        summary: {str(arm): mine for (arm,), mine in table.group_by("method", maintain_order=True)}
        for summary, table in tables.items()
    }


def preconditions_of(returns: pl.DataFrame) -> dict[str, Precondition]:
    """Returns what must hold before P1 to P4 mean something, of the study without marks."""
    found: dict[str, Precondition] = {}
    mine = returns.filter(pl.col("marks") == 0).sort("seed")
    for method in mine["method"].unique().sort():
        agent, random = (
            mine.filter((pl.col("method") == method) & (pl.col("policy") == policy))["value"].to_list()
            for policy in ("agent", "random")
        )
        name = learned(method)
        found[name] = pretraining_learned(agent, random, name=name, score_bounds=BOUNDS)
    rl2 = mine.filter((pl.col("method") == RL2) & (pl.col("policy") == "agent"))
    if len(rl2):
        share = float((rl2["value"] / rl2["optimum"]).to_numpy().mean())
        digits = 3 if share < OF_OPTIMUM <= round(share, 2) else 2  # .797 is not .80
        reason = f"{share:.{digits}f} of the best possible mean return of a lifetime"
        found[EXPLORES] = Precondition(EXPLORES, share >= OF_OPTIMUM, reason)
    return found


@dataclass(frozen=True)
class Decided:
    """A prediction's verdict among several.

    Attributes:
        verdict: By itself.
        p: Of the whole prediction, the largest of its parts'; None where a part has none.
        adjusted: The same after Holm over the predictions.
        label: What may be said.
        bounded: What limits that assume no more than the range of returns would say of it alone.
    """

    verdict: ClaimVerdict
    p: float | None
    adjusted: float | None
    label: str
    bounded: str


def decided(
    claims: Iterable[Claim], cells: Cells, preconditions: Mapping[str, Precondition], alpha: float
) -> list[Decided]:
    """Returns the verdict on each prediction, Holm over all of them; contradictions by Bonferroni.

    Contrasts are t within shared pretrainings and Welch-Satterthwaite across, as was said beforehand; what
    the returns' range alone would allow stands beside.
    """
    claims = list(claims)
    bounds = dict.fromkeys(cells, BOUNDS)
    verdicts = [decide(claim, cells, preconditions, alpha=alpha) for claim in claims]
    strict = [decide(claim, cells, preconditions, alpha=alpha / len(claims)) for claim in claims]
    bounded = [
        decide(claim, cells, preconditions, alpha=alpha, score_bounds=bounds).words for claim in claims
    ]
    each = [[part.p for part in verdict.components] for verdict in verdicts]
    whole = [None if None in parts else max(p for p in parts if p is not None) for parts in each]
    adjusted = holm([1.0 if p is None else p for p in whole])
    found = []
    for verdict, strictly, p, held, beside in zip(verdicts, strict, whole, adjusted, bounded, strict=True):
        label = verdict.words
        if verdict.label == "supported" and held > alpha:
            label = "undecided: not after Holm's correction for the number of predictions"
        if verdict.label == "contradicted" and strictly.label != "contradicted":
            label = "undecided: not contradicted after correction for the number of predictions"
        found.append(Decided(verdict, p, None if p is None else held, label, beside))
    return found


@dataclass(frozen=True)
class Best:
    """Who leads in a cell of the map.

    Attributes:
        row: With the highest mean, at its chosen point.
        value: Its mean.
        open: Rows that it does not beat.
    """

    row: str
    value: float
    open: tuple[str, ...]

    @property
    def decided(self) -> bool:
        """Whether it beats every other row."""
        return not self.open

    @property
    def pretraining_decided(self) -> bool:
        """Whether it beats all but those that start from the same pretraining."""
        mine = Method.parse(Row.parse(self.row).method).pretraining
        return all(Method.parse(Row.parse(row).method).pretraining == mine for row in self.open)


def best_of(cells: Mapping[str, pl.DataFrame], rows: Mapping[str, str], alpha: float = 0.05) -> Best:
    """Returns who is best among several arms, and whom it does not beat.

    Any of them could have come out as the best, so each test has its share of alpha (Bonferroni); that one
    beats all others needs no more (intersection-union).

    Args:
        cells: By arm.
        rows: By arm, the row that stands for it.
        alpha: Chance that a cell names a best one that is not.
    """
    means = {arm: contrast(cells, {arm: 1.0}, score_bounds=BOUNDS).mean for arm in rows}
    first = max(means, key=lambda arm: means[arm])
    left = []
    for arm in rows:
        if arm == first:
            continue
        gap = contrast(cells, {first: 1.0, arm: -1.0}, score_bounds=BOUNDS)
        p = gap.p_above(0.0)
        if gap.checkpoints < LEAST_SEEDS or p is None or p > alpha / 2 / len(rows):
            left.append(rows[arm])
    return Best(rows[first], means[first], tuple(left))


def as_json(found: Sequence[Decided]) -> list[dict[str, Any]]:
    """Returns verdicts as plain values, as the page ships them."""
    return [
        {
            "id": one.verdict.claim.id,
            "sentence": one.verdict.claim.sentence(),
            "label": one.label,
            "bounded": one.bounded,
            "p": one.p,
            "holm": one.adjusted,
            "parts": [
                {
                    "name": part.component.name,
                    "summary": part.component.summary,
                    "weights": dict(part.component.weights),
                    "kind": part.component.kind,
                    "margin": part.component.margin,
                    "mean": None if part.estimate is None else part.estimate.mean,
                    "low": None if part.interval is None else part.interval.low,
                    "high": None if part.interval is None else part.interval.high,
                    "how": "" if part.interval is None else part.interval.how,
                    "p": part.p,
                    "p_against": part.p_against,
                    "passed": part.passed,
                    "doubt": part.doubt,
                    "reason": part.reason,
                }
                for part in one.verdict.components
            ],
        }
        for one in found
    ]
