"""Rules 6 to 8: which snapshots and which of their episodes count."""

from __future__ import annotations

from math import log, log2

import polars as pl

from fvm_eval.fairness.check import NO_PLAN, RUN, Check
from fvm_eval.fairness.copies import orders
from fvm_eval.naming import plural
from fvm_eval.table import coded, spelt

_EXACT = 1e-12
_UNLIKELY_BITS = 30
_ENOUGH_CHANGES = 20  # of which none falls: noise alone would do that once in a million


def check_curves(runs: pl.DataFrame, online: pl.DataFrame | None, plan: pl.DataFrame | None) -> Check:
    """Rule 6: each run is evaluated at the planned env steps, at least twice; each has its online curve."""
    grids = runs.group_by(RUN).agg(pl.col("env_step").sort())["env_step"].to_list()
    if any(grid != grids[0] for grid in grids):
        return Check(6, "fails", "runs were evaluated at different env steps")
    if len(grids[0]) < 2:
        return Check(6, "fails", "one evaluation per run: a point, not a curve")
    if online is not None:  # what is no number is no return
        online = online.filter(pl.col("return").cast(pl.Float64).is_finite().fill_null(False))
    if online is None or online.is_empty():
        return Check(6, "fails", f"{len(grids[0])} deployment points a run, but no online return")
    if plan is None:
        return Check(6, "cannot be checked", f"{len(grids[0])} deployment points a run, but {NO_PLAN}")
    odd = plan.join(runs, on=[*RUN, "env_step"], how="anti").height
    odd += runs.join(plan, on=[*RUN, "env_step"], how="anti").height
    if odd:
        return Check(6, "fails", f"{odd} snapshots were planned and not evaluated, or the other way round")
    learns = plan.filter(pl.col("spends") > 0) if "spends" in plan.columns else plan
    silent = sorted(set(learns["method"].unique()) - set(online["method"].unique()))
    if silent:
        return Check(6, "fails", f"no online return of {', '.join(silent)}")
    one = ["method", "seed", "task"]
    unheard = learns.select(one).unique().join(online.select(one).unique(), on=one, how="anti").sort(one)
    if len(unheard):
        row = unheard.row(0, named=True)
        what = f"{row['method']}, seed {row['seed']} on {row['task']}"
        return Check(
            6,
            "cannot be checked",
            f"{plural(len(unheard), 'run')} without online return (no episode ended?): {what}",
        )
    return Check(
        6, "holds", f"{len(grids[0])} deployment points a run as planned; {len(online):,} online rows"
    )


def check_episodes(episodes: pl.DataFrame, plan: pl.DataFrame | None) -> Check:
    """Rule 7: at every point the episodes that were planned, by number; no more, none missing.

    All runs have as many at one env step; before the budget these may be fewer than at it.
    """
    key = [*RUN, "env_step"]
    points = coded(episodes.select(*key, "episode")).group_by(key)
    cells = spelt(
        points.agg(count=pl.len(), last=pl.col("episode").max(), every=pl.col("episode").n_unique())
    )
    by_step = cells.group_by("env_step").agg(least=pl.col("count").min(), most=pl.col("count").max())
    for step, least, most in by_step.filter(pl.col("least") < pl.col("most")).sort("env_step").iter_rows():
        what = f"between {least} and {most} episodes a point at env step {step:,}, expected equal numbers"
        return Check(7, "fails", what)
    if (cells["last"] + 1 != cells["count"]).any() or (cells["every"] != cells["count"]).any():
        return Check(7, "fails", "episode numbers have gaps: some of those planned are missing")
    fewest, most = int(by_step["least"].to_numpy().min()), int(by_step["most"].to_numpy().max())
    at_least = "" if fewest == most else f"{fewest} to "
    if plan is None:
        told = f"{at_least}{plural(most, 'numbered episode')} a point, but {NO_PLAN}"
        return Check(7, "cannot be checked", told)
    wanted = plan.select(*key, "episodes").join(cells, on=key, how="left")
    odd = wanted.filter(~(pl.col("episodes") == pl.col("count")).fill_null(False))
    if len(odd):
        row = odd.row(0, named=True)
        what = f"{row['count']} of {row['episodes']} episodes that were planned are in the table"
        return Check(7, "fails", f"at {plural(len(odd), 'point')}, as {row['method']}: {what}")
    told = f"{at_least}{plural(most, 'episode')} at each of {plural(len(cells), 'point')}, as planned"
    return Check(7, "holds", told)


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
        return Check(8, "fails", f"no env step {final_step:,} in {lacking} of {plural(len(every), 'run')}")
    if suspect := _never_falling(runs, episodes) or _brought_back(runs, episodes):
        return Check(8, "cannot be checked", suspect)
    if plan is None:
        return Check(
            8, "cannot be checked", f"{plural(len(every), 'run')} at env step {final_step:,}, but {NO_PLAN}"
        )
    return Check(8, "holds", f"all {len(every)} planned runs at env step {final_step:,}, the plan's last")


def _brought_back(runs: pl.DataFrame, episodes: pl.DataFrame) -> str:
    """Returns why a method's final scores may be those of an earlier, better snapshot; empty if not.

    That the last point has the episodes of an earlier one, with others in between, happens by chance: of n
    episodes once in n! / prod k_i!. Flagged is what so many chances make less likely than 2^-30 (Chernoff).
    """
    key = [*RUN, "env_step"]
    runs = runs.sort(key).with_columns(
        last=pl.col("value").last().over(RUN), end=pl.col("env_step").max().over(RUN)
    )
    equal = (pl.col("value") - pl.col("last")).abs() <= _EXACT
    back = runs.filter(equal & (pl.col("env_step") < pl.col("end")))
    moved = runs.filter(~equal).group_by(RUN).agg(moved=pl.col("env_step").max())
    back = back.join(moved, on=RUN).filter(pl.col("env_step") < pl.col("moved")).group_by(RUN).first()
    if back.is_empty():
        return ""
    mine = episodes.join(back.select(RUN), on=RUN, how="semi")
    played = mine.group_by(key).agg(each=pl.col("score").sort_by("episode"))
    pairs = back.select(*key, "end").join(played, on=key)
    pairs = pairs.join(played.select(*RUN, pl.col("env_step").alias("end"), final="each"), on=[*RUN, "end"])
    pairs = pairs.filter(pl.col("each").list.n_unique() > 1)
    for (method,), found in pairs.group_by("method", maintain_order=True):
        earlier = runs.filter(pl.col("method") == method)["env_step"].n_unique() - 1
        expected = earlier * sum(2.0 ** -orders(scores) for scores in found["each"])
        count = int((found["each"] == found["final"]).sum())
        if count > expected and count * log2(count / expected) - (count - expected) / log(2) > _UNLIKELY_BITS:
            step = found.filter(pl.col("each") == pl.col("final"))["env_step"][0]
            what = f"{plural(count, 'run')} of {method} end with the episodes of an earlier snapshot"
            return (
                f"{what}, as of env step {step:,}, though others lie in between: the best one brought back?"
            )
    return ""


def _never_falling(runs: pl.DataFrame, episodes: pl.DataFrame) -> str:
    """Returns why a method's scores may be a running maximum; empty where they fall now and then."""
    key = [*RUN, "env_step"]
    changes = runs.sort(key).select("method", change=pl.col("value").diff().over(RUN))
    fell = changes.filter(pl.col("change") < -_EXACT)["method"].unique().to_list()
    runs = runs.filter(~pl.col("method").is_in(fell))
    if runs.is_empty():
        return ""
    episodes = episodes.join(runs.select(key), on=key, how="semi")
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
