"""The rules of a fair adaptation study, each with one of three answers: holds, fails, cannot be checked.

A rule holds only where it was checked against what is independent of the table that it judges: the plan
(which runs, snapshots and episodes were to be), the store's ledgers (what env steps were taken, which tuning
jobs ran, which looks were reported), hashes recorded before training. Where these were not handed in, a rule
can still fail by the table alone, but it never holds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from fvm_eval.budget import MATCHED_AXES, Budget
from fvm_eval.claims import LABELS, ClaimVerdict, Look
from fvm_eval.folds import Fold
from fvm_eval.statistics.intervals import Interval

RULES: Mapping[int, str] = {
    1: "The estimand is a sentence; intervals over these tasks and over new tasks are both printed",
    2: "Splits are fixed before training and hashed; every method is tuned with as many env steps and trials",
    3: "No held-out task leaks into training",
    4: "Env steps and demos on the test task are equal, and no run went over its budget",
    5: "Random, scripted, scratch and zero-shot baselines are shown; held-out tasks leave headroom",
    6: "Deployment curves of frozen snapshots, and online return as a second curve",
    7: "Which episodes count was fixed before the rollout",
    8: "Value at budget from the final snapshot of every run, never the best one",
    9: "Failed and diverged runs are kept and scored: every planned run is in the table",
    10: "Studies too small to decide say so, and every look at a growing study is logged",
}
RUN = ["method", "fold", "seed", "checkpoint", "task"]
Status = Literal["holds", "fails", "cannot be checked"]
_WORSE: Sequence[Status] = ("holds", "cannot be checked", "fails")
_HEADROOM_FRAC = 0.95
_EXACT = 1e-12
_ENOUGH_CHANGES = 20  # of which none falls: noise alone would do that once in a million
_NO_PLAN = "no plan was handed in"


@dataclass(frozen=True)
class Check:
    """One line of the checklist.

    Attributes:
        rule: Number in `RULES`.
        status: What the machine found.
        reason: Why, with the number.
    """

    rule: int
    status: Status
    reason: str

    def or_worse(self, other: Check | None) -> Check:
        """Returns the other one where it is worse: no line that is handed in makes a rule hold."""
        if other is None or _WORSE.index(other.status) <= _WORSE.index(self.status):
            return self
        return other


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
        return Check(1, "fails", "no estimand was stated")
    have = [sum(interval.low is not None for interval in kind) for kind in (fixed, new)]
    counts = f"{have[0]} of {len(fixed)} methods have an interval over these tasks, {have[1]} over new tasks"
    return Check(1, "holds" if min(have) == len(fixed) else "fails", counts)


def check_splits(
    folds: Mapping[str, Fold],
    recorded: Sequence[str],
    tasks: Sequence[str],
    methods: Sequence[str],
    tuning: pl.DataFrame | None,
) -> Check:
    """Rule 2: each fold's hash was recorded before training and holds the table's tasks out; equal tuning.

    Args:
        folds: By name.
        recorded: Hashes from before training.
        tasks: Of the table.
        methods: Of the table.
        tuning: Columns method, trial, env_steps; one row a tuning job that was run, pilots included.
    """
    if not folds:
        return Check(2, "cannot be checked", "no split was handed in")
    held_out = {task for fold in folds.values() for task in fold.held_out}
    outside = sorted(set(tasks) - held_out)
    if outside:
        return Check(2, "fails", f"{len(outside)} tasks of the table are held out nowhere, as {outside[0]}")
    late = [name for name, fold in folds.items() if fold.sha256 not in recorded]
    if late:
        what = f"no record from before training has the hash of {len(late)} folds: {late[0]}"
        return Check(2, "fails", what)
    if tuning is None:
        return Check(2, "cannot be checked", "no ledger of the tuning jobs that were run was handed in")
    spent = {
        method: (len(mine), int(mine["env_steps"].to_numpy().sum()))
        for method in methods
        for mine in (tuning.filter(pl.col("method") == method),)
    }
    if len(set(spent.values())) > 1:
        listed = ", ".join(f"{m} {trials} trials of {steps:,} steps" for m, (trials, steps) in spent.items())
        return Check(2, "fails", f"tuning differs: {listed}")
    trials, steps = next(iter(spent.values()))
    tuned = f"{trials} tuning trials, {steps:,} env steps a method" if trials else "no method was tuned"
    return Check(2, "holds", f"{len(folds)} folds have the hash recorded before training; {tuned}")


def check_leaks(audit: LeakAudit | None, tasks: Sequence[str], folds: Mapping[str, Fold]) -> Check:
    """Rule 3: all held-out tasks were audited against training tasks, and nothing that leaked is kept."""
    if audit is None:
        return Check(3, "cannot be checked", "no leak audit was handed in")
    kept = sorted(set(audit.leaked) & set(tasks))
    if kept:
        return Check(3, "fails", f"{len(kept)} leaked tasks are in the table: {', '.join(kept[:5])}")
    counts = f"{audit.audited:,} held-out tasks against {audit.against:,} training tasks"
    train = {task for fold in folds.values() for task in fold.train}
    shared = sorted(set(tasks) & train) if len(folds) == 1 else []
    if shared:
        return Check(3, "fails", f"{shared[0]} is a training task")
    if audit.audited < len(set(tasks)) or audit.against < 1 or not audit.how.strip():
        return Check(3, "cannot be checked", f"the audit compared {counts}; the table has {len(set(tasks))}")
    return Check(3, "holds", f"{counts}, {len(audit.leaked)} leaked and excluded ({audit.how})")


def check_budget(
    budget: Budget | None, spending: pl.DataFrame | None, plan: pl.DataFrame | None, runs: pl.DataFrame
) -> Check:
    """Rule 4: the ledger of every planned run agrees on the matched axes, none beyond the budget.

    Args:
        budget: Of one adaptation.
        spending: Columns of a run, env_steps, demos: what each run's envs counted.
        plan: Columns of a run, env_step, episodes and perhaps spends: env steps that the run was to take
            (null where fewer are no advantage, as of a memory that is full), and demos: what it was to be
            given, where rows differ in that by plan.
        runs: Curves of the table.
    """
    last = int(runs["env_step"].to_numpy().max())
    if budget is not None and last > budget.env_steps:
        return Check(4, "fails", f"evaluated at env step {last:,}, beyond the budget of {budget.env_steps:,}")
    if budget is None or spending is None:
        what = "budget" if budget is None else "ledger of every run's env steps"
        return Check(4, "cannot be checked", f"no {what} was handed in")
    over = spending.filter(
        ~(pl.col("env_steps") <= budget.env_steps).fill_null(False)
        | ~(pl.col("demos") <= budget.demos).fill_null(False)
        | (pl.col("env_steps") < 0)
    )
    if len(over):
        row = over.row(0, named=True)
        steps = "unknown" if row["env_steps"] is None else f"{row['env_steps']:,}"
        spent = f"{steps} env steps and {row['demos']} demos"
        allowed = f"{budget.env_steps:,} and {budget.demos}"
        return Check(4, "fails", f"{len(over)} runs went over: {row['method']} spent {spent} of {allowed}")
    wanted = (runs if plan is None else plan).select(RUN).unique()
    without = wanted.join(spending, on=RUN, how="anti")
    if len(without):
        first = without.sort(RUN)["method"][0]
        return Check(4, "cannot be checked", f"{len(without)} runs have no ledger, as one of {first}")
    if spending.select(pl.struct(RUN).is_duplicated()).to_series().any():
        return Check(4, "fails", "a run has more than one ledger")
    if plan is None:
        return Check(4, "cannot be checked", f"{len(wanted)} runs within the budget, but {_NO_PLAN}")
    given = spending.join(wanted, on=RUN, how="semi")
    demos = given["demos"].unique().sort().to_list()
    if "demos" in plan.columns:
        both = given.join(plan.select(*RUN, asked="demos").unique(), on=RUN)
        other = both.filter(~(pl.col("demos") == pl.col("asked")).fill_null(False))
        for row in other.iter_rows(named=True):
            what = f"{row['method']} had {row['demos']} of the {row['asked']} planned"
            return Check(4, "fails", f"{len(other)} runs had other demos than planned: {what}")
    elif len(demos) > 1:
        return Check(4, "fails", f"runs spent between {min(demos)} and {max(demos)} demos")
    spends = plan.group_by(RUN).agg(pl.col("spends").max()) if "spends" in plan.columns else None
    less = spending.filter(pl.col("env_steps") < budget.env_steps)
    if spends is not None:
        short = spending.join(spends, on=RUN).filter(pl.col("env_steps") < pl.col("spends"))
        if len(short):
            row = short.row(0, named=True)
            what = f"{row['method']} took {row['env_steps']:,} of the {row['spends']:,} env steps planned"
            return Check(4, "fails", f"{len(short)} runs were cut short: {what}")
    elif len(less):
        who = ", ".join(less["method"].unique().sort().to_list())
        what = f"{who} spent less than the budget, and the plan does not say whether they should"
        return Check(4, "cannot be checked", what)
    spent = f"{len(wanted)} runs, none over {budget.env_steps:,} env steps and {budget.demos} demos"
    spent += f"; {', '.join(map(str, demos))} in rows of their own" if len(demos) > 1 else ""
    if len(less):  # no advantage: a memory that has all it was trained to take in, or no adaptation at all
        spent += f"; as planned fewer: {', '.join(less['method'].unique().sort().to_list())}"
    return Check(4, "holds", spent)


def check_matched(limits: Mapping[str, Budget]) -> Check | None:
    """Returns that rule 4 fails where the methods' own budgets differ on a matched axis, else nothing."""
    for axis in MATCHED_AXES:
        by_method = {method: int(getattr(budget, axis)) for method, budget in limits.items()}
        if len(set(by_method.values())) > 1:
            listed = ", ".join(f"{method} {limit:,}" for method, limit in by_method.items())
            return Check(4, "fails", f"not comparable in {axis}: {listed}")
    return None


def check_baselines(
    baselines: pl.DataFrame | None,
    methods: Sequence[str],
    starts_at_zero: bool,
    ranges: Mapping[str, tuple[float, float]] | None,
) -> Check:
    """Rule 5: the four baselines are there; neither the script nor random play is near the best score.

    Args:
        baselines: Columns baseline, task, score: "random", and any other is taken as the script.
        methods: Methods of the table; "scratch" is looked for.
        starts_at_zero: Whether curves begin before any adaptation (zero-shot).
        ranges: Lowest and highest score by task; None where unknown.
    """
    names = [] if baselines is None else baselines["baseline"].unique().to_list()
    missing = [] if "random" in names else ["random"]
    missing += [] if starts_at_zero else ["zero-shot"]
    missing += [] if any(re.split("[@,]", method)[0] == "scratch" for method in methods) else ["scratch"]
    if missing or baselines is None:
        return Check(5, "fails", f"missing: {', '.join(missing)}")
    if not ranges or not set(baselines["task"]) <= set(ranges):
        return Check(5, "cannot be checked", "the best score of the tasks is unknown, so headroom is too")
    means = baselines.group_by("baseline", "task").agg(pl.col("score").mean()).sort("baseline", "task")
    shares = {
        (name, task): (score - ranges[task][0]) / (ranges[task][1] - ranges[task][0])
        for name, task, score in means.iter_rows()
    }
    full = [place for place, share in shares.items() if not share < _HEADROOM_FRAC]
    if full:
        (who, task), tasks = full[0], len({task for _, task in full})
        return Check(5, "fails", f"{who} play leaves no headroom on {tasks} tasks, as {task}")
    if not set(names) - {"random", "zero-shot"}:
        return Check(5, "cannot be checked", "all shown; no script was played, so headroom is not known")
    best = max(shares.values())
    return Check(5, "holds", f"all shown; script and random play reach {best:.0%} of the range at most")


def check_curves(runs: pl.DataFrame, online: pl.DataFrame | None, plan: pl.DataFrame | None) -> Check:
    """Rule 6: each run is evaluated at the planned env steps, at least twice; each has its online curve."""
    grids = runs.group_by(RUN).agg(pl.col("env_step").sort())["env_step"].to_list()
    if any(grid != grids[0] for grid in grids):
        return Check(6, "fails", "runs were evaluated at different env steps")
    if len(grids[0]) < 2:
        return Check(6, "fails", "one evaluation per run: a point, not a curve")
    if online is None or online.is_empty():
        return Check(6, "fails", f"{len(grids[0])} deployment points a run, but no online return")
    if plan is None:
        return Check(6, "cannot be checked", f"{len(grids[0])} deployment points a run, but {_NO_PLAN}")
    odd = plan.join(runs, on=[*RUN, "env_step"], how="anti").height
    odd += runs.join(plan, on=[*RUN, "env_step"], how="anti").height
    if odd:
        return Check(6, "fails", f"{odd} snapshots were planned and not evaluated, or the other way round")
    learns = plan.filter(pl.col("spends") > 0) if "spends" in plan.columns else plan
    silent = sorted(set(learns["method"].unique()) - set(online["method"].unique()))
    if silent:
        return Check(6, "fails", f"no online return of {', '.join(silent)}")
    return Check(
        6, "holds", f"{len(grids[0])} deployment points a run as planned; {len(online):,} online rows"
    )


def check_episodes(episodes: pl.DataFrame, plan: pl.DataFrame | None) -> Check:
    """Rule 7: at every point the episodes that were planned, by number; no more, none missing."""
    key = [*RUN, "env_step"]
    cells = episodes.group_by(key).agg(
        count=pl.len(), last=pl.col("episode").max(), every=pl.col("episode").n_unique()
    )
    counts = cells["count"].unique().sort().to_list()
    if len(counts) > 1:
        what = f"between {counts[0]} and {counts[-1]} episodes a point, expected equal numbers"
        return Check(7, "fails", what)
    if (cells["last"] + 1 != counts[0]).any() or (cells["every"] != counts[0]).any():
        return Check(7, "fails", "episode numbers have gaps: some of those planned are missing")
    if plan is None:
        return Check(7, "cannot be checked", f"{counts[0]} numbered episodes a point, but {_NO_PLAN}")
    wanted = plan.select(*key, "episodes").join(cells, on=key, how="left")
    odd = wanted.filter(pl.col("episodes") != pl.col("count"))
    if len(odd):
        row = odd.row(0, named=True)
        what = f"{row['count']} of {row['episodes']} episodes that were planned are in the table"
        return Check(7, "fails", f"at {len(odd)} points, as {row['method']}: {what}")
    return Check(7, "holds", f"{counts[0]} episodes at each of {len(cells):,} points, as planned")


def check_summaries(
    runs: pl.DataFrame, episodes: pl.DataFrame, final_step: int, plan: pl.DataFrame | None
) -> Check:
    """Rule 8: every planned run has its value at the last planned env step, and it is that snapshot's own."""
    if plan is not None and int(plan["env_step"].to_numpy().max()) != final_step:
        last = int(plan["env_step"].to_numpy().max())
        return Check(8, "fails", f"compared at env step {final_step:,}; the plan ends at {last:,}")
    every = (runs if plan is None else plan).select(RUN).unique()
    final = runs.filter(pl.col("env_step") == final_step)
    lacking = every.join(final, on=RUN, how="anti").height
    if lacking:
        return Check(8, "fails", f"{lacking} of {len(every)} runs lack env step {final_step:,}")
    if suspect := _never_falling(runs, episodes):
        return Check(8, "cannot be checked", suspect)
    if plan is None:
        return Check(8, "cannot be checked", f"{len(every)} runs at env step {final_step:,}, but {_NO_PLAN}")
    return Check(8, "holds", f"all {len(every)} planned runs at env step {final_step:,}, the plan's last")


def _never_falling(runs: pl.DataFrame, episodes: pl.DataFrame) -> str:
    """Returns why a method's scores may be a running maximum; empty where they fall now and then."""
    key = [*RUN, "env_step"]
    played = episodes.group_by(key).agg(each=pl.col("score").sort_by("episode"))
    steps = runs.join(played, on=key).sort(key)
    steps = steps.with_columns(
        change=pl.col("value").diff().over(RUN),
        copied=(pl.col("each") == pl.col("each").shift(1).over(RUN)) & (pl.col("each").list.n_unique() > 1),
    )
    for (method,), mine in steps.group_by("method", maintain_order=True):
        moved = mine.filter(pl.col("change").abs() > _EXACT)
        copies = int(mine["copied"].sum() or 0)
        if (moved["change"] < 0).any() or not len(moved):
            continue
        if len(moved) >= _ENOUGH_CHANGES or copies:
            again = f", {copies} with the same episodes again" if copies else ""
            return f"no score of {method} ever falls ({len(moved)} rise{again}): a running maximum?"
    return ""


def check_complete(runs: pl.DataFrame, plan: pl.DataFrame | None) -> Check:
    """Rule 9: the runs of the table are those of the plan."""
    table = runs.select(RUN).unique()
    grid = table.select("fold", "seed", "task").unique()
    filled = table.select("method", "fold", "seed", "task").unique()
    missing = table["method"].n_unique() * len(grid) - len(filled)
    if missing:
        return Check(9, "fails", f"{missing} runs of the grid are missing from the table")
    if plan is None:
        return Check(9, "cannot be checked", f"{len(table)} runs without a hole, but {_NO_PLAN}")
    wanted = plan.select(RUN).unique()
    dropped, added = wanted.join(table, on=RUN, how="anti"), table.join(wanted, on=RUN, how="anti")
    if len(dropped):
        row = dropped.sort(RUN).row(0, named=True)
        which = f"{row['method']}, seed {row['seed']} on {row['task']}"
        return Check(
            9, "fails", f"{len(dropped)} of {len(wanted)} planned runs are not in the table: {which}"
        )
    if len(added):
        first = added.sort(RUN)["checkpoint"][0]
        return Check(9, "fails", f"{len(added)} runs of the table were never planned, as {first}")
    return Check(9, "holds", f"all {len(wanted)} planned runs are in the table, none dropped")


def check_size(verdicts: Sequence[ClaimVerdict], looks: Sequence[Look] = (), checkpoints: int = 0) -> Check:
    """Rule 10: nothing was decided from too few checkpoints, and this look is in the log.

    Args:
        verdicts: On claims and comparisons.
        looks: The store's log; the last is this one.
        checkpoints: Fewest of a method in the table.
    """
    small = 0
    for verdict in verdicts:
        least = verdict.claim.min_checkpoints
        tiny = [p for p in verdict.components if p.estimate and p.estimate.checkpoints < least]
        small += bool(tiny)
        hasty = any(part.passed or part.contradicted for part in tiny)
        if hasty or (tiny and verdict.label.startswith("supported")):
            return Check(10, "fails", f"{verdict.claim.id} was decided from too few checkpoints")
    labels = [verdict.label for verdict in verdicts]
    counts = ", ".join(f"{labels.count(label)} {label}" for label in LABELS if label in labels)
    found = f"claims: {counts or 'none'}; {small} of {len(labels)} with too few checkpoints"
    if not looks:
        return Check(10, "cannot be checked", f"{found}; no log of looks was handed in")
    if looks[-1].checkpoints != checkpoints:
        what = (
            f"the last look was at {looks[-1].checkpoints} checkpoints a method, the table has {checkpoints}"
        )
        return Check(10, "fails", what)
    return Check(10, "holds", f"{found}; look {len(looks)} of the log")
