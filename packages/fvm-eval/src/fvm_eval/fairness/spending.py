"""Rule 4: what every run took on its test task, by the ledger that its envs kept."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from fvm_eval.budget import MATCHED_AXES, Budget
from fvm_eval.fairness.check import NO_PLAN, RUN, Check
from fvm_eval.naming import plural


def check_budget(
    budget: Budget | None,
    spending: pl.DataFrame | None,
    plan: pl.DataFrame | None,
    runs: pl.DataFrame,
    conditions: Mapping[str, str],
) -> Check:
    """Rule 4: the ledger of every planned run agrees on the matched axes, none beyond the budget.

    Args:
        budget: Of one adaptation.
        spending: Columns of a run, env_steps, demos: what each run's envs counted.
        plan: Columns of a run, env_step, episodes and perhaps spends: env steps that the run was to take
            (null where fewer are no advantage, as of a memory that is full), and demos: what it was to be
            given, where rows differ in that by plan.
        runs: Curves of the table.
        conditions: By method, under what it was tried: within one, all are given as many demos.
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
        | (pl.col("demos") < 0)
    )
    if len(over):
        row = over.row(0, named=True)
        steps = "unknown" if row["env_steps"] is None else f"{row['env_steps']:,}"
        spent = f"{steps} env steps and {row['demos']} demos"
        allowed = f"{budget.env_steps:,} and {budget.demos}"
        what = f"{len(over)} ledgers beyond the budget or below 0: {row['method']} has {spent} of {allowed}"
        return Check(4, "fails", what)
    wanted = (runs if plan is None else plan).select(RUN).unique()
    without = wanted.join(spending, on=RUN, how="anti")
    if len(without):
        first = without.sort(RUN)["method"][0]
        return Check(4, "cannot be checked", f"no ledger of {plural(len(without), 'run')}, as one of {first}")
    if spending.select(pl.struct(RUN).is_duplicated()).to_series().any():
        return Check(4, "fails", "a run has more than one ledger")
    if plan is None:
        return Check(4, "cannot be checked", f"{plural(len(wanted), 'run')} within the budget, but {NO_PLAN}")
    given = spending.join(wanted, on=RUN, how="semi")
    demos = given["demos"].unique().sort().to_list()
    if "demos" in plan.columns:
        both = given.join(plan.select(*RUN, asked="demos").unique(), on=RUN)
        other = both.filter(~(pl.col("demos") == pl.col("asked")).fill_null(False))
        for row in other.iter_rows(named=True):
            what = f"{row['method']} had {row['demos']} of the {row['asked']} planned"
            return Check(4, "fails", f"other demos than planned in {plural(len(other), 'run')}: {what}")
        if unequal := _unequal_demos(plan, conditions):
            return Check(4, "fails", unequal)
    elif len(demos) > 1:
        return Check(4, "fails", f"runs spent between {min(demos)} and {max(demos)} demos")
    spends = plan.group_by(RUN).agg(pl.col("spends").max()) if "spends" in plan.columns else None
    less = spending.filter(pl.col("env_steps") < budget.env_steps)
    if spends is not None:
        planned = plan.filter((pl.col("spends") != 0) & (pl.col("spends") < budget.env_steps))
        if len(planned):
            row = planned.row(0, named=True)
            what = f"{row['method']} was to take {row['spends']:,} env steps of the {budget.env_steps:,}"
            return Check(4, "fails", f"a plan that cuts short: {what}")
        short = spending.join(spends, on=RUN).filter(pl.col("env_steps") < pl.col("spends"))
        if len(short):
            row = short.row(0, named=True)
            what = f"{row['method']} took {row['env_steps']:,} of the {row['spends']:,} env steps planned"
            return Check(4, "fails", f"cut short: {plural(len(short), 'run')}: {what}")
        more = spending.join(spends.filter(pl.col("spends") == 0), on=RUN).filter(pl.col("env_steps") > 0)
        if len(more):
            row = more.row(0, named=True)
            what = f"{row['method']} took {row['env_steps']:,} env steps and was to take none"
            return Check(4, "fails", f"not as planned: {plural(len(more), 'run')}: {what}")
        learned = less.join(spends.filter(pl.col("spends").is_null()), on=RUN)
        if "updates" in less.columns:
            learned = learned.filter(~(pl.col("updates") == 0).fill_null(False))
        if len(learned):
            row = learned.row(0, named=True)
            what = f"{row['method']} learned from {row['env_steps']:,} of {budget.env_steps:,} env steps"
            return Check(4, "cannot be checked", f"{what}, and the plan does not say why it took no more")
    elif len(less):
        who = ", ".join(less["method"].unique().sort().to_list())
        what = f"{who} spent less than the budget, and the plan does not say whether they should"
        return Check(4, "cannot be checked", what)
    most = f"{budget.env_steps:,} env steps and {plural(budget.demos, 'demo')}"
    spent = f"{plural(len(wanted), 'run')}, none over {most}"
    spent += f"; {', '.join(map(str, demos))} in rows of their own" if len(demos) > 1 else ""
    if len(less):  # no advantage: a memory that has all it was trained to take in, or no adaptation at all
        spent += f"; as planned fewer: {', '.join(less['method'].unique().sort().to_list())}"
    return Check(4, "holds", spent)


def _unequal_demos(plan: pl.DataFrame, conditions: Mapping[str, str]) -> str:
    """Returns which methods of one condition were to be given other demos; empty if none."""
    given = plan.select("method", "demos").unique().sort("method", "demos")
    given = given.with_columns(
        under=pl.col("method").replace_strict(conditions, default="", return_dtype=pl.String)
    )
    for _, mine in given.group_by("under", maintain_order=True):
        if mine["demos"].n_unique() > 1:
            listed = ", ".join(f"{method} {demos}" for method, demos, _ in mine.iter_rows())
            return f"the plan gives methods of one condition other demos: {listed}"
    return ""


def check_matched(limits: Mapping[str, Budget]) -> Check | None:
    """Returns that rule 4 fails where the methods' own budgets differ on a matched axis, else nothing."""
    for axis in MATCHED_AXES:
        by_method = {method: int(getattr(budget, axis)) for method, budget in limits.items()}
        if len(set(by_method.values())) > 1:
            listed = ", ".join(f"{method} {limit:,}" for method, limit in by_method.items())
            return Check(4, "fails", f"not comparable in {axis}: {listed}")
    return None
