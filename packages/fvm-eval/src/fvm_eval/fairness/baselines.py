"""Rule 5: the baselines that every study shows, and whether its tasks leave anything to be gained."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import inf

import polars as pl

from fvm_eval.fairness.check import Check
from fvm_eval.naming import plural

_HEADROOM_FRAC = 0.95


def check_baselines(
    baselines: pl.DataFrame | None,
    methods: Sequence[str],
    tasks: Sequence[str],
    starts_at_zero: bool,
    ranges: Mapping[str, tuple[float, float]] | None,
) -> Check:
    """Rule 5: the four baselines are there; neither the script nor random play is near the best score.

    Args:
        baselines: Columns baseline, task, score: "random", and any other is taken as the script.
        methods: Methods of the table; "scratch" is looked for.
        tasks: Of the table; a baseline counts where it was played on all of them.
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
    full = [place for place, share in shares.items() if not -inf < share < _HEADROOM_FRAC]
    if full:
        (who, task), count = full[0], len({task for _, task in full})
        return Check(5, "fails", f"{who} play leaves no headroom on {plural(count, 'task')}, as {task}")
    for name in sorted(names):
        if elsewhere := [task for task in tasks if (name, task) not in shares]:
            what = f"{name} was not played on {len(elsewhere)} of {len(tasks)} tasks, as {elsewhere[0]}"
            return Check(5, "cannot be checked", what)
    if not set(names) - {"random", "zero-shot"}:
        return Check(5, "cannot be checked", "all shown; no script was played, so headroom is not known")
    best = max(shares.values())
    return Check(5, "holds", f"all shown; script and random play reach {best:.0%} of the range at most")
