"""Stable-Baselines3's files: Monitor's episodes, the logger's progress, EvalCallback's evaluations."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Sequence

import numpy as np
import polars as pl

from fvm_eval.reading.columns import plain
from fvm_eval.reading.delimited import read_delimited
from fvm_eval.reading.numerals import numbers, whole
from fvm_eval.reading.source import ROW, Source, numbered
from fvm_eval.table import TableError

_STEPS = "time_total_timesteps"
_LONGEST = 2**40  # env steps of an episode: a million sum up to less than 64 bits hold
_DAMAGED = (
    *(KeyError, ValueError, OSError, EOFError, MemoryError, NotImplementedError),
    *(zlib.error, zipfile.BadZipFile),
)
_EVALUATED, _ROLLOUT = "eval_mean_reward", "rollout_ep_rew_mean"


def is_monitor(data: bytes) -> bool:
    """Returns whether the text is a Monitor's: a comment with JSON, then the header r,l,t."""
    if not data.startswith(b"#{"):
        return False
    header = data.split(b"\n", 2)[1:2]
    return bool(header) and header[0].replace(b'"', b"").split(b",")[:2] == [b"r", b"l"]


def read_monitor(data: bytes, name: str, said: Sequence[str]) -> Source:
    """Returns the episodes of a Monitor's file; the env step is that of the episode's end.

    Several environments of one run write a file each: their steps are added up by `merged`.

    Raises:
        TableError: An episode's length is no whole number, or the time of its end no number.
    """
    first = data.split(b"\n", 1)[0][1:]
    try:
        about = json.loads(first)
    except (ValueError, RecursionError):
        about = {}
    source = read_delimited(data, name, [], known=frozenset({"r", "l", "t"}))
    frame = source.frame
    length = whole(frame["l"])
    _refuse(source, "l", ~length.is_between(0, _LONGEST).fill_null(False), "a length in env steps")
    time = numbers(frame["t"]) if "t" in frame.columns else length.cum_sum().cast(pl.Float64)
    _refuse(source, "t", ~time.is_finite().fill_null(False), "a time in seconds")
    columns = {ROW: frame[ROW], "score": frame["r"], "length": length, "time": time}
    columns["env_step"] = columns["length"].cum_sum()
    table = pl.DataFrame(columns)
    if isinstance(about, dict) and isinstance(about.get("env_id"), str) and about["env_id"] != "None":
        table = table.with_columns(task=pl.lit(about["env_id"]))
    said = [*said, "Stable-Baselines3 Monitor's layout: returns of training episodes"]
    return Source(name, table, source.line_of, said, needs_path=True, online=True)


def _refuse(source: Source, column: str, bad: pl.Series, wanted: str) -> None:
    """Refuses the first row of a Monitor's file that is not what its column holds."""
    if bad.any():
        place = bad.arg_max() or 0
        row = int(source.frame[ROW][place])
        came = source.frame[column][place]
        shown = "is empty" if came is None or not came.strip() else f"{came!r} is not {wanted}"
        raise TableError(f"{source.name}, column {column}, {source.where(row)}: {shown}; was it cut short?")


def merged(sources: Sequence[Source]) -> list[pl.DataFrame]:
    """Returns the Monitors of one run with the steps of all its environments added up, by time."""
    if len(sources) == 1:
        return [sources[0].frame]
    tagged = [s.frame.with_columns(_which=pl.lit(i)) for i, s in enumerate(sources)]
    together = pl.concat(tagged, how="diagonal").sort("time", "_which", maintain_order=True)
    together = together.with_columns(env_step=pl.col("length").cum_sum())
    return [together.filter(pl.col("_which") == i).drop("_which") for i in range(len(sources))]


def is_progress(columns: Sequence[str]) -> bool:
    """Returns whether the columns are those of the logger's progress file."""
    have = {plain(column) for column in columns}
    return _STEPS in have and bool(have & {_EVALUATED, _ROLLOUT})


def progress_columns(columns: Sequence[str]) -> dict[str, str]:
    """Returns the columns of step and score in a progress file: evaluations come before rollouts."""
    have = {plain(column): column for column in columns}
    score = have.get(_EVALUATED, have.get(_ROLLOUT, ""))
    return {"env_step": have[_STEPS], "score": score}


def read_evaluations(data: bytes, name: str) -> Source:
    """Returns the episodes of EvalCallback's `evaluations.npz`.

    Raises:
        TableError: It is no such file.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            steps, results = np.asarray(file["timesteps"]), np.asarray(file["results"])
        if results.dtype.kind not in "biuf":
            raise ValueError
        results = results.astype(np.float64)
    except _DAMAGED:
        raise TableError(f"{name} is no evaluations.npz: expected the arrays timesteps and results") from None
    if results.ndim != 2 or steps.shape != results.shape[:1]:
        raise TableError(f"{name}: results {results.shape} do not fit timesteps {steps.shape}")
    count = results.shape[1]
    frame = pl.DataFrame(
        {
            "env_step": np.repeat(steps, count),
            "episode": np.tile(np.arange(count), len(steps)),
            "score": results.ravel(),
        }
    )
    said = ["Stable-Baselines3 EvalCallback's layout"]
    return Source(name, numbered(frame), None, said, needs_path=True)
