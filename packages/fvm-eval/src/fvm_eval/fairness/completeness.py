"""Rules 9 and 10: no run is left out or counted twice, and nothing is decided too early."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import polars as pl

from fvm_eval.claims import LABELS, ClaimVerdict, Look
from fvm_eval.claims.looks import clusters_hash
from fvm_eval.fairness.check import NO_PLAN, RUN, Check
from fvm_eval.naming import plural

_FEWEST = 3  # checkpoints of an arm: below it no claim's own minimum makes a verdict


def check_complete(
    runs: pl.DataFrame,
    twice: str,
    plan: pl.DataFrame | None,
    spending: pl.DataFrame | None,
    pretraining: pl.DataFrame | None = None,
    held_out: Collection[str] = (),
) -> Check:
    """Rule 9: the runs of the table are those of the plan and of the ledger, each with episodes of its own.

    Args:
        runs: Curves of the table.
        twice: Which checkpoints have the very same episodes (`fvm_eval.fairness.copies`); empty if none.
        plan: Columns of a run.
        spending: Columns of a run: whose envs counted steps.
        pretraining: Columns method, seed: a row an episode of the pretraining that checkpoints come from.
        held_out: Tasks that the splits hold out and no audit excluded: all are to be tested.
    """
    table = runs.select(RUN).unique()
    grid = table.select("fold", "seed", "task").unique()
    filled = table.select("method", "fold", "seed", "task").unique()
    missing = table["method"].n_unique() * len(grid) - len(filled)
    if missing:
        return Check(
            9,
            "fails",
            f"{plural(missing, 'run')} of the grid {'is' if missing == 1 else 'are'} missing from the table",
        )
    if plan is None:
        return Check(
            9, "cannot be checked", twice or f"{plural(len(table), 'run')} without a hole, but {NO_PLAN}"
        )
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
        return Check(9, "fails", f"never planned: {plural(len(added), 'run')} of the table, as {first}")
    if spending is not None:
        hidden = spending.select(RUN).unique().join(wanted, on=RUN, how="anti").sort(RUN)
        if len(hidden):
            row = hidden.row(0, named=True)
            who = f"{row['method']}, seed {row['seed']} on {row['task']}"
            return Check(
                9, "fails", f"not in the plan: {plural(len(hidden), 'run')} that took env steps: {who}"
            )
    if untested := sorted(set(held_out) - set(table["task"])):
        what = f"{plural(len(untested), 'task')} held out and not tested, as {untested[0]}"
        return Check(9, "fails", what)
    if twice:
        return Check(9, "cannot be checked", twice)
    if pretraining is not None:
        one = ["method", "seed"]
        have = pretraining.select(one).unique()
        mine = table.select(one).unique().filter(pl.col("method").is_in(have["method"].unique().to_list()))
        if len(unseen := mine.join(have, on=one, how="anti").sort(one)):
            method, seed = unseen.row(0)
            what = f"no episode of its pretraining was handed in for {method}, seed {seed}: one for several?"
            return Check(9, "cannot be checked", what)
    return Check(9, "holds", f"all {len(wanted)} planned runs are in the table, none dropped")


def check_size(
    verdicts: Sequence[ClaimVerdict],
    looks: Sequence[Look] = (),
    checkpoints: int = 0,
    planned: Sequence[int] = (),
    keys: Collection[str] | None = None,
    asked: str = "",
) -> Check:
    """Rule 10: nothing was decided from too few checkpoints; this look is in the log, its claims unchanged.

    Args:
        verdicts: On claims and comparisons.
        looks: The store's log; the last is this one.
        checkpoints: Fewest of a method in the table.
        planned: Numbers of checkpoints at which looks were planned.
        keys: Of the finished clusters that were judged; None where nobody handed them in.
        asked: Hash of the claims that were decided (`fvm_eval.claims.looks.asked_hash`); empty if not known.
    """
    small = 0
    for verdict in verdicts:
        least = max(verdict.claim.min_checkpoints, _FEWEST)
        tiny = [p for p in verdict.components if p.estimate and p.estimate.checkpoints < least]
        small += bool(tiny)
        hasty = any(part.passed or part.contradicted for part in tiny)
        if hasty or (tiny and verdict.label.startswith("supported")):
            return Check(10, "fails", f"{verdict.claim.id} was decided from too few checkpoints")
    labels = [verdict.label for verdict in verdicts]
    counts = ", ".join(f"{labels.count(label)} {label}" for label in LABELS if label in labels)
    found = "no claim was fixed, so that none is decided"
    if labels:
        found = f"claims: {counts}; {small} of {len(labels)} with too few checkpoints"
    if not looks:
        return Check(10, "cannot be checked", f"{found}; no log of looks was handed in")
    if looks[-1].checkpoints != checkpoints:
        what = (
            f"the last look was at {looks[-1].checkpoints} checkpoints a method, the table has {checkpoints}"
        )
        return Check(10, "fails", what)
    if changed := [place for place, look in enumerate(looks, 1) if look.asked not in ("", looks[-1].asked)]:
        what = f"the claims were changed after look {changed[-1]} of the log: what is asked now was not then"
        return Check(10, "fails", what)
    if asked and looks[-1].asked not in ("", asked):
        return Check(10, "fails", "the last look of the log was at other claims than those that were decided")
    if not planned and sum(look.planned for look in looks) > 1:
        return Check(10, "fails", "several looks of the log count as planned, and no looks were planned")
    if odd := [look for look in looks if look.planned and planned and look.checkpoints not in planned]:
        listed = ", ".join(map(str, planned))
        what = f"a look at {odd[0].checkpoints} checkpoints counts as planned; planned were looks at {listed}"
        return Check(10, "fails", what)
    if keys is not None and clusters_hash(keys) != looks[-1].clusters:
        return Check(10, "fails", "the last look of the log was at other runs than those of the plan")
    return Check(10, "holds", f"{found}; look {len(looks)} of the log")
