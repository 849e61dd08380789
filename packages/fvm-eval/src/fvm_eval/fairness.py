"""The rules of a fair adaptation study, each a line a machine has checked: passed, failed or not applicable.

What the table, the ledgers and the folds can say is computed here; what only the study knows (was the split
committed, was anything leaked) comes in as facts. A rule that cannot be shown to hold has failed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from fvm_eval.budget import Budget, Ledger, comparability
from fvm_eval.claims.comparisons import Comparison, Verdict
from fvm_eval.folds import Fold
from fvm_eval.statistics.intervals import Interval

RULES: Mapping[int, str] = {
    1: "The estimand is a sentence; intervals over these tasks and over new tasks are both printed",
    2: "Splits are fixed before training and hashed; every method is tuned with as many trials",
    3: "No held-out task leaks into training",
    4: "Env steps and demos on the test task are equal, and no ledger went over its budget",
    5: "Random, scripted, scratch and zero-shot baselines are shown; held-out tasks leave headroom",
    6: "Deployment curves of frozen snapshots, and online return as a second curve",
    7: "Which episodes count was fixed before the rollout",
    8: "Value at budget from the final snapshot of every run, and area under the curve",
    9: "Failed and diverged runs are kept and scored",
    10: "Studies too small to decide say so, with the number of seeds that would decide",
}
_HEADROOM_FRAC = 0.95


@dataclass(frozen=True)
class Check:
    """One line of the checklist.

    Attributes:
        rule: Number in `RULES`.
        status: What the machine found.
        reason: Why, with the number.
    """

    rule: int
    status: Literal["passed", "failed", "not applicable"]
    reason: str


@dataclass(frozen=True)
class LeakAudit:
    """What an audit of the splits found.

    Attributes:
        audited: Held-out levels compared.
        against: Training levels they were compared with.
        leaked: Held-out tasks found among them, by id; excluded from the study.
        how: What was hashed.
    """

    audited: int
    against: int
    leaked: tuple[str, ...]
    how: str


def check_estimand(estimand: str, fixed: Sequence[Interval], new: Sequence[Interval]) -> Check:
    """Rule 1: stated, and both kinds of interval exist for every method's value at budget."""
    if not estimand.strip():
        return Check(1, "failed", "no estimand was stated")
    have = [sum(interval.low is not None for interval in kind) for kind in (fixed, new)]
    counts = f"{have[0]} of {len(fixed)} methods have an interval over these tasks, {have[1]} over new tasks"
    return Check(1, "passed" if min(have) == len(fixed) else "failed", counts)


def check_splits(
    folds: Mapping[str, Fold], recorded: Sequence[str], tasks: Sequence[str], ledgers: Mapping[str, Ledger]
) -> Check:
    """Rule 2: each fold's hash was recorded before training and holds the table's tasks out; equal trials."""
    if not folds:
        return Check(2, "failed", "no split was given")
    held_out = {task for fold in folds.values() for task in fold.held_out}
    outside = sorted(set(tasks) - held_out)
    if outside:
        return Check(2, "failed", f"{len(outside)} tasks of the table are held out nowhere, as {outside[0]}")
    trials = {method: ledger.trials for method, ledger in ledgers.items()}
    if len(set(trials.values())) > 1:
        listed = ", ".join(f"{method} {count}" for method, count in trials.items())
        return Check(2, "failed", f"tuning trials differ: {listed}")
    tuned = f"{next(iter(trials.values()))} tuning trials a method" if trials else "no ledger given"
    late = [name for name, fold in folds.items() if fold.sha256 not in recorded]
    if late:
        return Check(
            2, "failed", f"no record from before training has the hash of {len(late)} folds: {late[0]}"
        )
    return Check(
        2, "passed", f"{len(folds)} of {len(folds)} folds have the hash recorded before training; {tuned}"
    )


def check_leaks(audit: LeakAudit | None, tasks: Sequence[str]) -> Check:
    """Rule 3: audited, and nothing that leaked is in the table."""
    if audit is None:
        return Check(3, "failed", "no leak audit was given")
    kept = sorted(set(audit.leaked) & set(tasks))
    if kept:
        return Check(3, "failed", f"{len(kept)} leaked tasks are in the table: {', '.join(kept[:5])}")
    counts = f"{audit.audited:,} held-out tasks against {audit.against:,} training tasks"
    return Check(3, "passed", f"{counts}, {len(audit.leaked)} leaked and excluded ({audit.how})")


def check_budget(budget: Budget | None, ledgers: Mapping[str, Ledger], last_step: int) -> Check:
    """Rule 4: ledgers agree on the matched axes, and no evaluation lies beyond the budget."""
    if budget is None or not ledgers:
        return Check(4, "failed", "no budget or no ledgers were given")
    mismatches = comparability(ledgers)
    if mismatches:
        return Check(4, "failed", "; ".join(map(str, mismatches)))
    if last_step > budget.env_steps:
        return Check(
            4, "failed", f"evaluated at env step {last_step:,}, beyond the budget of {budget.env_steps:,}"
        )
    less = {m: ledger.env_steps for m, ledger in ledgers.items() if ledger.env_steps < budget.env_steps}
    demos = next(iter(ledgers.values())).demos
    spent = f"every method spent its {budget.env_steps:,} env steps and {demos} demos"
    if less:  # no advantage: a memory that has all it was trained to take in, or no adaptation at all
        spent += ", less only " + ", ".join(f"{method} ({steps:,})" for method, steps in less.items())
    return Check(4, "passed", spent)


def check_baselines(
    names: Sequence[str],
    methods: Sequence[str],
    script: pl.DataFrame | None,
    best: Mapping[str, float] | None,
) -> Check:
    """Rule 5: the four baselines are there; the script leaves headroom on every task.

    Args:
        names: Baselines given; "random" and "zero-shot" are looked for, any other is taken as the script.
        methods: Methods of the table; "scratch" is looked for.
        script: Columns task, score of the script's episodes.
        best: Highest score by task.
    """
    missing = [name for name in ("random", "zero-shot") if name not in names]
    missing += [] if "scratch" in methods else ["scratch"]
    if missing:
        return Check(5, "failed", f"missing: {', '.join(missing)}")
    if script is None or script.is_empty() or best is None:
        return Check(5, "passed", "random, zero-shot and scratch are shown; no script was given for headroom")
    means = script.group_by("task").agg(pl.col("score").mean()).sort("task")
    full = [task for task, score in means.iter_rows() if score >= _HEADROOM_FRAC * best[task]]
    if full:
        return Check(
            5, "failed", f"the script leaves no headroom on {len(full)} of {len(means)} tasks: {full[0]}"
        )
    share = max(score / best[task] for task, score in means.iter_rows())
    return Check(
        5, "passed", f"all shown; the script reaches at most {share:.0%} of the best score on any task"
    )


def check_curves(runs: pl.DataFrame, online: pl.DataFrame | None) -> Check:
    """Rule 6: each run is evaluated at the same env steps, at least twice; the online curve is there."""
    grids = runs.group_by("method", "fold", "checkpoint", "seed", "task").agg(pl.col("env_step").sort())
    steps = grids["env_step"].to_list()
    if any(grid != steps[0] for grid in steps):
        return Check(6, "failed", "runs were evaluated at different env steps")
    if len(steps[0]) < 2:
        return Check(6, "failed", "one evaluation per run: a point, not a curve")
    if online is None or online.is_empty():
        return Check(6, "failed", f"{len(steps[0])} deployment points a run, but no online return was given")
    return Check(6, "passed", f"{len(steps[0])} deployment points a run; {len(online):,} online episodes")


def check_episodes(episodes: pl.DataFrame) -> Check:
    """Rule 7: every run has the same episode numbers, without gaps, at every point."""
    key = ["method", "fold", "seed", "checkpoint", "task", "env_step"]
    cells = episodes.group_by(key).agg(count=pl.len(), last=pl.col("episode").max())
    counts = cells["count"].unique().sort().to_list()
    if len(counts) > 1:
        return Check(
            7, "failed", f"between {counts[0]} and {counts[-1]} episodes a point, expected equal numbers"
        )
    if (cells["last"] + 1 != counts[0]).any():
        return Check(7, "failed", "episode numbers have gaps: some of those planned are missing")
    return Check(7, "passed", f"{counts[0]} numbered episodes at each of {len(cells):,} points, none missing")


def check_summaries(runs: pl.DataFrame, final_step: int, has_area: bool) -> Check:
    """Rule 8: every run has its value at the budget; the area is computed."""
    every = runs.select("method", "fold", "checkpoint", "seed", "task").unique()
    final = runs.filter(pl.col("env_step") == final_step)
    if len(final) < len(every):
        return Check(
            8, "failed", f"{len(every) - len(final)} of {len(every)} runs lack env step {final_step:,}"
        )
    if not has_area:
        return Check(
            8, "not applicable", f"{len(every)} runs at env step {final_step:,}; one point has no area"
        )
    return Check(8, "passed", f"{len(every)} of {len(every)} runs at env step {final_step:,}")


def check_complete(runs: pl.DataFrame) -> Check:
    """Rule 9: no method lacks a (fold, seed, task) that another has."""
    methods = runs["method"].n_unique()
    cells = runs.select("method", "fold", "seed", "task").unique()
    wanted = cells.select("fold", "seed", "task").unique()
    missing = methods * len(wanted) - len(cells)
    if missing:
        return Check(9, "failed", f"{missing} of {methods * len(wanted)} runs are missing from the table")
    return Check(9, "passed", f"all {len(cells)} runs of the grid are in the table, none dropped")


def check_size(comparisons: Sequence[Comparison], verdicts: Sequence[Verdict]) -> Check:
    """Rule 10: no verdict from fewer checkpoints than required, and undecided ones say what would decide."""
    if not comparisons:
        return Check(10, "not applicable", "no comparison was fixed beforehand")
    small = 0
    for comparison, verdict in zip(comparisons, verdicts, strict=True):
        if verdict.interval.checkpoints < comparison.min_checkpoints:
            small += 1
            if verdict.label != "undecided":
                return Check(10, "failed", f"{comparison.statement} was decided from too few checkpoints")
    fewest = min(verdict.interval.checkpoints for verdict in verdicts)
    least = max(comparison.min_checkpoints for comparison in comparisons)
    return Check(
        10,
        "passed",
        f"{fewest} checkpoints a method, {least} required; {small} of {len(verdicts)} undecided for it",
    )
