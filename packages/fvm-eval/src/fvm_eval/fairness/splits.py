"""Rules 1 to 3: what was fixed before training, tuned on other tasks, and not leaked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from fvm_eval.fairness.check import Check
from fvm_eval.folds import Fold
from fvm_eval.naming import plural
from fvm_eval.statistics.intervals import Interval


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
    if not any(map(str.isalpha, estimand)):
        return Check(1, "fails", "no estimand was stated")
    have = [sum(interval.low is not None for interval in kind) for kind in (fixed, new)]
    counts = f"{have[0]} of {len(fixed)} methods have an interval over these tasks, {have[1]} over new tasks"
    if not have[1]:
        counts += (
            f": {next((interval.note for interval in new if interval.note), 'nothing is known of others')}"
        )
    return Check(1, "holds" if min(have) == len(fixed) else "fails", counts)


def check_splits(
    folds: Mapping[str, Fold],
    recorded: Sequence[str],
    tasks: Sequence[str],
    methods: Sequence[str],
    tuning: pl.DataFrame | None,
    plan: pl.DataFrame | None,
) -> Check:
    """Rule 2: each fold's hash was recorded before training and holds the table's tasks out; equal tuning.

    A run's tasks must be held out by the split that its own checkpoint was trained on.

    Args:
        folds: By name.
        recorded: Hashes from before training.
        tasks: Of the table.
        methods: Of the table.
        tuning: Columns method, trial, env_steps and perhaps tasks, the list of those that it was scored on;
            one row a tuning job that was run, pilots included.
        plan: Columns method, task and perhaps split, the name of the fold that a run's checkpoint was trained
            on; null where nothing was.
    """
    if not folds:
        return Check(2, "cannot be checked", "no split was handed in")
    held_out = {task for fold in folds.values() for task in fold.held_out}
    outside = sorted(set(tasks) - held_out)
    if outside:
        return Check(
            2, "fails", f"held out nowhere: {plural(len(outside), 'task')} of the table, as {outside[0]}"
        )
    late = [name for name, fold in folds.items() if fold.sha256 not in recorded]
    if late:
        what = f"no record from before training has the hash of {plural(len(late), 'fold')}: {late[0]}"
        return Check(2, "fails", what)
    if swapped := _trained_on(folds, tasks, plan):
        return swapped
    tuned = _tuning(methods, tuning, held_out)
    if tuned.status == "holds":
        found = f"{plural(len(folds), 'fold')} with the hash recorded before training; {tuned.reason}"
        return Check(2, "holds", found)
    return tuned


def _trained_on(folds: Mapping[str, Fold], tasks: Sequence[str], plan: pl.DataFrame | None) -> Check | None:
    """Returns why a run may have been tested on what its checkpoint was trained on; None where it was not."""
    if not set(tasks) & {task for fold in folds.values() for task in (*fold.train, *fold.validation)}:
        return None
    if plan is None or "split" not in plan.columns:
        what = "some folds train on what others hold out, and no plan says which of them a run had"
        return Check(2, "cannot be checked", what)
    for name, task in plan.select("split", "task").drop_nulls().unique().sort("split", "task").iter_rows():
        if name not in folds:
            return Check(2, "fails", f"runs have the split {name}, which was not handed in")
        if task not in folds[name].held_out:
            return Check(
                2, "fails", f"runs with the split {name} are tested on {task}, which it does not hold out"
            )
    return None


def _tuning(methods: Sequence[str], tuning: pl.DataFrame | None, held_out: set[str]) -> Check:
    """Returns whether every method had as many trials and env steps, none of them on a held-out task."""
    if tuning is None:
        return Check(2, "cannot be checked", "no ledger of the tuning jobs that were run was handed in")
    counted = (pl.col("env_steps") >= 0) & pl.col("env_steps").is_finite()
    if len(uncounted := tuning.filter(~counted.fill_null(False))):
        who = uncounted["method"][0]
        return Check(2, "fails", f"{len(uncounted)} tuning jobs, as of {who}, have no count of env steps")
    if dropped := sorted(set(tuning["method"]) - set(methods)):
        return Check(2, "fails", f"{', '.join(dropped)} was tuned and is not in the table")
    spent = {
        method: (mine["trial"].n_unique(), int(mine["env_steps"].sum()))
        for method in methods
        for mine in (tuning.filter(pl.col("method") == method),)
    }
    if len(set(spent.values())) > 1:
        listed = ", ".join(
            f"{m} {plural(trials, 'trial')} of {steps:,} steps" for m, (trials, steps) in spent.items()
        )
        return Check(2, "fails", f"tuning differs: {listed}")
    trials, steps = next(iter(spent.values()))
    if not trials:
        return Check(2, "holds", "no method was tuned")
    if "tasks" not in tuning.columns or tuning["tasks"].null_count():
        return Check(
            2,
            "cannot be checked",
            f"{plural(trials, 'tuning trial')} a method, no ledger says on which tasks",
        )
    on = tuning["tasks"]
    each = [{task} if isinstance(task, str) else set(task) for task in on]
    seen = set().union(*each)
    if seen & held_out:
        return Check(2, "fails", f"tuned on {sorted(seen & held_out)[0]}, which is held out")
    if not all(each) or seen & {None, ""}:
        return Check(2, "cannot be checked", "a tuning trial names no task that it was scored on")
    return Check(
        2, "holds", f"{plural(trials, 'tuning trial')}, {steps:,} env steps a method, none on a held-out task"
    )


def check_leaks(audit: LeakAudit | None, tasks: Sequence[str], folds: Mapping[str, Fold]) -> Check:
    """Rule 3: all held-out tasks were audited against training tasks, and nothing that leaked is kept."""
    if audit is None:
        return Check(3, "cannot be checked", "no leak audit was handed in")
    kept = sorted(set(audit.leaked) & set(tasks))
    if kept:
        return Check(3, "fails", f"{plural(len(kept), 'leaked task')} in the table: {', '.join(kept[:5])}")
    counts = f"{plural(audit.audited, 'held-out task')} against {plural(audit.against, 'training task')}"
    train = {task for fold in folds.values() for task in fold.train}
    shared = sorted(set(tasks) & train) if len(folds) == 1 else []
    if shared:
        return Check(3, "fails", f"{shared[0]} is a training task")
    most = max((len(fold.train) for fold in folds.values()), default=0)
    if not audit.against >= most:
        what = f"the audit compared {counts}; a fold trains on {most:,}"
        return Check(3, "cannot be checked", what)
    if not (audit.audited >= len(set(tasks)) and audit.against >= 1 and audit.how.strip()):
        return Check(3, "cannot be checked", f"the audit compared {counts}; the table has {len(set(tasks))}")
    return Check(3, "holds", f"{counts}, {len(audit.leaked)} leaked and excluded ({audit.how})")
