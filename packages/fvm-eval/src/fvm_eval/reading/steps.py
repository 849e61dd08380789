"""Env steps: bins for logs whose steps fall anywhere, and the one step at which runs are compared."""

from __future__ import annotations

import polars as pl

from fvm_eval.table import TableError, coded, spelt

_RUN = ["method", "fold", "seed", "checkpoint", "task"]
_SHOWN = 5
_LARGEST = 2**62


def binned(rows: pl.DataFrame, width: int) -> pl.DataFrame:
    """Returns the rows with each env step moved up to the end of its bin; a bin's rows are its episodes.

    Raises:
        TableError: A step is so large that the end of its bin is none.
    """
    last = int(rows["env_step"].to_numpy().max())
    if last > _LARGEST - width:
        raise TableError(f"--bin {width}: env steps reach {last:,}, expected {_LARGEST - width:,} at most")
    step = (pl.col("env_step") + (width - 1)) // width * width
    rows = rows.with_columns(env_step=step)
    return rows.with_columns(episode=pl.int_range(pl.len(), dtype=pl.Int64).over([*_RUN, "env_step"]))


def cut(rows: pl.DataFrame, at: int | None) -> tuple[pl.DataFrame, list[str]]:
    """Returns the rows up to the step at which runs are compared, and a sentence if some were left out.

    Args:
        rows: The episodes.
        at: That step; None for the last one, which every run must have reached.

    Raises:
        TableError: Some run has no evaluation there; the message has the steps that all have.
    """
    points = coded(rows.select(*_RUN, "env_step")).unique()
    runs = points.group_by(_RUN).agg("env_step", last=pl.col("env_step").max())
    wanted = int(runs["last"].max()) if at is None else at  # type: ignore[arg-type]
    has = runs["env_step"].list.contains(wanted)
    if not has.all():
        named = spelt(runs)
        raise TableError(_no_common(named, has, wanted, given=at is not None))
    later = int((rows["env_step"] > wanted).sum())
    if not later:
        return rows, []
    return rows.filter(pl.col("env_step") <= wanted), [
        f"compared at env step {wanted:,}; rows of later steps left out: {later:,}"
    ]


def learners_and_players(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Returns the methods that learn, and those evaluated at env step 0 only while others go on (players)."""
    last = rows.group_by("method").agg(pl.col("env_step").max()).sort("method")
    still = last.filter(pl.col("env_step") == 0)["method"].to_list()
    if len(still) == len(last):
        return rows, rows.clear()
    plays = pl.col("method").is_in(still)
    return rows.filter(~plays), rows.filter(plays)


def _no_common(runs: pl.DataFrame, has: pl.Series, wanted: int, *, given: bool) -> str:
    """Returns which run has no evaluation at this step, and at which steps all could be compared."""
    lacking = runs.filter(~has).sort(_RUN)
    row = lacking.row(0, named=True)
    first = ", ".join(f"{name} {row[name]}" for name in ("method", "seed", "task"))
    count = f"{len(lacking):,} of {len(runs):,} runs have no evaluation at env step {wanted:,}"
    text = f"{'--at ' + str(wanted) + ': ' if given else ''}{count}, the first is {first}"
    text += f", which ends at {row['last']:,}" if row["last"] < wanted else ""
    common = runs.explode("env_step").group_by("env_step").len().filter(pl.col("len") == len(runs))
    steps = sorted(common["env_step"].to_list())
    if steps:
        some = ", ".join(f"{step:,}" for step in steps[-_SHOWN:])
        return f"{text}; all runs have {some}: compare them there by --at {steps[-1]}"
    return f"{text}; no step is common to all: put steps into bins by --bin STEPS, then compare by --at STEP"
