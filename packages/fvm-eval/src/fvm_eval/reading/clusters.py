"""Is the column `checkpoint` what it must be: the name of a training whose scores share their luck?

Many logs have a column of that name with the training step or the file of the weights. Taken for clusters,
steps would count every snapshot of a run as an independent training (intervals a tenth as wide as they are),
and "final.pt" all seeds as one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from fvm_eval.table import TableError, coded, spelt

_FILE = re.compile(
    r"\.(?:pt|pth|ckpt|chkpt|zip|tar|gz|tgz|pkl|pickle|safetensors|h5|hdf5|npz|npy|onnx|msgpack|bin|index|meta"
    r"|cleanrl_model|model|orbax|params|joblib|json|pb|tflite)$",
    re.IGNORECASE,
)
_STEP = re.compile(
    r"^(?:ckpt|checkpoint|model|agent|policy|snapshot|weights)?[ _\-=:/]*"
    r"(?P<word>step|iter|iteration|it|epoch|frame|update|timestep|env_step|global_step)?s?[ _\-=:]*"
    r"(?P<number>\d[\d_,.]*(?:e\+?\d+)?)\s*(?P<unit>[kmb]|steps?|frames?|iters?|epochs?)?$",
    re.IGNORECASE,
)
_WHEN = frozenset(
    {"final", "last", "latest", "best", "first", "end", "start", "current", "best_model", "model"}
)
_SMALL = 1000
_MEND = (
    "checkpoint must name the training that a row's agent comes from, as in 'ppo/seed3'. Leave it out by "
    "--map checkpoint=none, then each method and seed is one"
)


def refuse_false_clusters(rows: pl.DataFrame, column: str = "checkpoint") -> None:
    """Refuses a checkpoint column that holds steps, files or row numbers, and says what to do.

    Args:
        rows: Columns method, seed, task, checkpoint, and fold, env_step where they are given.
        column: As the file calls it.

    Raises:
        TableError: With the first value that gave it away.
    """
    codes = coded(rows.select(pl.exclude("score")))
    names = codes["checkpoint"].unique().cast(pl.String).sort().to_list()
    if (file := next((name for name in names if _FILE.search(name)), None)) is not None:
        raise TableError(f"column {column} holds files, as {file!r}: {_MEND}")
    if (when := next((name for name in names if name.lower() in _WHEN), None)) is not None:
        raise TableError(f"column {column} says when, not which, as {when!r}: {_MEND}")
    run = [name for name in ("method", "fold", "seed", "task") if name in rows.columns]
    seeds = codes.select("method", "seed").unique().height
    matches = [_STEP.match(name) for name in names]
    if all(matches):
        _refuse_steps(rows, names, [m for m in matches if m], run, column)
    if len(names) == 1 and seeds > rows["method"].n_unique():
        raise TableError(
            f"column {column} is {names[0]!r} in every row, so that all seeds would be one training: {_MEND}"
        )
    if len(names) == len(rows) > seeds and not _names_its_task(rows):
        raise TableError(
            f"column {column} has another value in every row, as {names[0]!r}, even within a seed: {_MEND}"
        )
    if "env_step" in rows.columns and rows["env_step"].n_unique() > 1:
        both = codes.select(*run, "env_step", "checkpoint").unique()
        per_run = both.group_by(run).agg(
            steps=pl.col("env_step").n_unique(),
            checkpoints=pl.col("checkpoint").n_unique(),
            pairs=pl.len(),
        )
        if (
            per_run["steps"].min() == per_run["steps"].max()
            and (per_run["checkpoints"] == per_run["steps"]).all()
            and (per_run["pairs"] == per_run["steps"]).all()
        ):
            raise TableError(
                f"column {column} changes with env_step within a run, as {names[0]!r}: it counts snapshots. "
                f"{_MEND}"
            )


def _refuse_steps(
    rows: pl.DataFrame, names: list[str], matches: list[re.Match[str]], run: Sequence[str], column: str
) -> None:
    """Refuses numbers that are steps: named or measured so, several a run, or one for all seeds."""
    worded = next((n for n, m in zip(names, matches, strict=True) if m["word"] or m["unit"]), None)
    if worded is not None:
        raise TableError(f"column {column} holds training steps, as {worded!r}: {_MEND}")
    if not all(map(_is_number, matches)):
        return
    ids = {n: float(re.sub(r"[_,]", "", m["number"])) for n, m in zip(names, matches, strict=True)}
    largest = max(ids, key=lambda name: ids[name])
    several = rows.group_by(run).agg(pl.col("checkpoint").n_unique())["checkpoint"].max()
    is_seed = (rows["checkpoint"] == rows["seed"].cast(pl.String)).all()
    equal_steps = (
        "env_step" in rows.columns
        and (rows["checkpoint"].replace_strict(ids, return_dtype=pl.Float64) == rows["env_step"]).all()
    )
    shared = rows.group_by("method", "checkpoint").agg(pl.col("seed").n_unique())["seed"].max()
    many = isinstance(several, int) and several > 1
    repeated = isinstance(shared, int) and shared > 1 and ids[largest] >= _SMALL
    if not is_seed and (many or repeated or (equal_steps and ids[largest] > 0)):
        raise TableError(f"column {column} holds training steps, as {largest!r}: {_MEND}")


def _names_its_task(rows: pl.DataFrame) -> bool:
    """Returns whether checkpoints are trainings of one task each, and say so: 'scratch/3/pong' on pong."""
    task = rows["task"].str.split("/").list.last().str.to_lowercase()
    names = rows.select(pl.col("checkpoint").str.to_lowercase(), task=task)
    return bool(
        names.select(pl.col("checkpoint").str.contains(pl.col("task"), literal=True)).to_series().all()
    )


def _is_number(match: re.Match[str]) -> bool:
    try:
        float(re.sub(r"[_,]", "", match["number"]))
    except ValueError:
        return False
    return True


def clusters_said(rows: pl.DataFrame, *, given: bool) -> str:
    """Returns how many clusters are seen, as in "2 methods, 5 checkpoints each; each method and seed is one".

    Args:
        rows: Columns method, fold, checkpoint.
        given: Whether there was a column checkpoint.
    """
    clusters = spelt(coded(rows.select("method", "fold", "checkpoint")).unique())
    by_method = clusters.group_by("method").agg(count=pl.len()).sort("method")
    counts = by_method["count"].to_list()
    if len(set(counts)) == 1:
        text = f"{counts[0]} a method"
    else:
        text = ", ".join(f"{m} {c}" for m, c in by_method.iter_rows())
    shared = clusters.select("method", "checkpoint").unique().group_by("checkpoint").len()
    both = int((shared["len"] > 1).sum())
    if not given:
        return f"{text}: each method and seed is one, and all its tasks share its luck"
    if both:
        return (
            f"{text} by the column checkpoint; {both} of them occur in several methods, which are paired "
            "there. If the methods share no training, give --map checkpoint=none"
        )
    return f"{text} by the column checkpoint"
