"""Stable-Baselines3's files: Monitor's episodes, the logger's progress, EvalCallback's evaluations."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence

import numpy as np
import polars as pl

from fvm_eval.reading.columns import plain
from fvm_eval.reading.delimited import read_delimited
from fvm_eval.reading.source import ROW, Source, numbered
from fvm_eval.table import TableError

_STEPS = "time_total_timesteps"
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
        TableError: An episode's length is no number.
    """
    first = data.split(b"\n", 1)[0][1:]
    try:
        about = json.loads(first)
    except ValueError:
        about = {}
    source = read_delimited(data, name, [], known=frozenset({"r", "l", "t"}))
    frame = source.frame
    length = frame["l"].cast(pl.Float64, strict=False)
    time = frame["t"].cast(pl.Float64, strict=False) if "t" in frame.columns else length.cum_sum()
    if length.is_null().any():
        row = length.is_null().arg_max() or 0
        raise TableError(f"{name}, {source.where(row)}: the length {frame['l'][row]!r} is no number")
    columns = {ROW: frame[ROW], "score": frame["r"], "length": length.cast(pl.Int64), "time": time}
    columns["env_step"] = columns["length"].cum_sum()
    table = pl.DataFrame(columns)
    if isinstance(about, dict) and isinstance(about.get("env_id"), str) and about["env_id"] != "None":
        table = table.with_columns(task=pl.lit(about["env_id"]))
    said = [*said, "Stable-Baselines3 Monitor's layout: returns of training episodes"]
    return Source(name, table, source.line_of, said, needs_path=True, online=True)


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
            steps, results = np.asarray(file["timesteps"]), np.asarray(file["results"], np.float64)
    except (KeyError, ValueError, OSError, zipfile.BadZipFile):
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
