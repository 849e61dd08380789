"""The door: whatever table a researcher has comes in, and leaves as episodes with what was recognised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from fvm_eval.naming import visible
from fvm_eval.reading import columns, layouts
from fvm_eval.reading.clusters import clusters_said, refuse_false_clusters
from fvm_eval.reading.episode_rows import completed, counted_twice, joined, refuse_twice, typed
from fvm_eval.reading.lookalikes import refuse_lookalikes
from fvm_eval.reading.numerals import Mark, decimal_mark
from fvm_eval.reading.opening import open_all
from fvm_eval.reading.request import Request
from fvm_eval.reading.settings import averaged
from fvm_eval.reading.source import ORIGIN, ROW, Source
from fvm_eval.reading.steps import binned, cut, learners_and_players
from fvm_eval.table import COLUMNS, TableError, check_table


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A table as it was read.

    Attributes:
        episodes: The episode table (`fvm_eval.table`) of methods that learn.
        players: The same of those seen at env step 0 only, such as random play; empty if there are none.
        said: What was recognised that is not plain CSV with the columns' own names, in sentences.
        clusters: How many clusters each method has, and what they are.
        numbered: Whether the episodes came with numbers.
        has_steps: Whether there was a column of env steps.
        online: Whether scores were made while learning.
        name: Of the file or files.
    """

    episodes: pl.DataFrame
    players: pl.DataFrame
    said: Sequence[str]
    clusters: str
    numbered: bool
    has_steps: bool
    online: bool
    name: str


def read(given: Any, request: Request | None = None) -> Reading:
    """Returns the episodes of a path, several paths, or a frame.

    Raises:
        TableError: With one sentence that says what came, what was expected and what to do.
        FileNotFoundError: There is no such file.
    """
    request = request or Request()
    if request.as_text:
        return _read(given, request)
    try:
        return _read(given, request)
    except TableError:  # once more, so that the message has the value as the file has it
        return _read(given, replace(request, as_text=True))


def _read(given: Any, request: Request) -> Reading:
    sources = open_all(given, request)
    tables, said, online = [], [], False
    progress: dict[bool, str] = {}  # by whether scores were made while learning, a file
    places: list[Source] = []
    while sources:
        source, path, root = sources.pop(0)
        frames, source = [source.frame], replace(source, frame=source.frame.clear())
        table, heard, learning_too = _rows(source, frames, path, root, request)
        online = online or learning_too
        if layouts.is_progress(source.columns):
            progress[learning_too] = source.name
        prefix = f"{source.name}: " if sources or places else ""
        said += [f"{prefix}{text}" for text in (*source.said, *heard)]
        tables.append(table)
        places.append(source)
    if len(progress) > 1:
        raise TableError(
            f"{progress[False]} has evaluations and {progress[True]} has scores of training only: give those "
            "that all have, as by --map score=rollout/ep_rew_mean"
        )
    del source, table
    said = _summed_up(said, [place.name for place in places])
    rows, heard = joined(tables, places)
    tables.clear()
    said += [*heard, *refuse_lookalikes(rows), *counted_twice(rows, places)]
    had_checkpoints = "checkpoint" in rows.columns
    if had_checkpoints:
        refuse_false_clusters(rows, request.columns.get("checkpoint", "checkpoint"))
    has_steps = "env_step" in rows.columns
    rows, has_episodes = completed(rows)
    if request.score_range is not None:
        _refuse_outside(rows, request.score_range, places)
    if request.bin is not None:
        if not has_steps:
            raise TableError("--bin needs a column env_step (or --map env_step=COLUMN)")
        rows = binned(rows, request.bin)
        said.append(f"env steps in bins of {request.bin:,}, each counted as its end")
        has_episodes = False
    if request.at is not None and not has_steps:
        raise TableError("--at needs a column env_step (or --map env_step=COLUMN)")
    learning, playing = learners_and_players(rows)
    learning, heard = cut(learning, request.at)
    said += heard
    if len(playing):
        names = ", ".join(playing["method"].unique().sort().to_list())
        said.append(f"seen at env step 0 only, so shown as players that never learn: {names}")
    clusters = clusters_said(learning, given=had_checkpoints)
    try:
        episodes = check_table(learning)
    except TableError:
        refuse_twice(learning, places)
        raise
    return Reading(
        episodes=episodes,
        players=playing.select(list(COLUMNS)),
        said=tuple(said),
        clusters=clusters,
        numbered=has_episodes,
        has_steps=has_steps,
        online=online,
        name=_name(places),
    )


def _rows(
    source: Source, frames: list[pl.DataFrame], path: Path | None, root: Path | None, request: Request
) -> tuple[pl.DataFrame, list[str], bool]:
    """Returns a source's typed rows, what was recognised, and whether scores were made while learning.

    The table is taken out of `frames`, so that nothing else holds it when it is not needed any more.
    """
    frame, name, constants = frames.pop(), source.name, dict(request.constants)
    said: list[str] = []
    if frame.is_empty():
        raise TableError(f"{name} has a header but no rows")
    given = dict(request.columns)
    history = layouts.is_history(source.columns)
    online = source.online
    if layouts.is_progress(source.columns):
        given = layouts.progress_columns(source.columns) | given
        history, online = True, not given["score"].startswith("eval")
        source = replace(source, needs_path=True, online=online)
        said.append(f"Stable-Baselines3's progress layout, score from {given['score']!r}")
    if source.chosen:
        given.pop("score", None)
    found, heard = columns.assign(source.columns, given, constants, name)
    said += [] if source.chosen else heard
    absent = columns.missing(found, constants)
    wide = layouts.unpivoted(frame, source.columns, found, absent)
    if wide is not None:
        frame, text = wide
        said.append(text)
        found |= {role: role for role in absent}
        absent = []
    if absent and path is not None and (source.needs_path or absent == ["method"]):
        constants |= _of_path(path, root, absent, source)
        absent = columns.missing(found, constants)
        said.append(f"{', '.join(a for a in constants if a not in request.constants)} from the path")
    if absent:
        raise columns.lacking(absent, source.columns, name)
    if history or layouts.is_progress(source.columns):
        score = frame[found["score"]]
        kept = frame.filter(score.is_not_null() & (score.cast(pl.String).str.strip_chars() != ""))
        if len(kept) < len(frame):
            said.append(f"rows left out for having no score: {len(frame) - len(kept):,}")
        frame = kept
        if frame.is_empty():
            raise TableError(f"{name}: column {found['score']!r} is empty in every row")
    said += averaged(frame, found)
    mark = request.decimal or _mark(source, frame, found)
    if mark == "," and request.decimal is None:
        said.append("decimal comma")
    return typed(source, frame, found, constants, mark), said, online


def _mark(source: Source, frame: pl.DataFrame, found: Mapping[str, str]) -> Mark:
    roles = ("score", "env_step", "seed", "fold", "episode")
    texts = [frame[found[r]] for r in roles if r in found and frame[found[r]].dtype == pl.String]
    semicolons = any("semicolon" in text for text in source.said)
    return decimal_mark(texts, semicolons=semicolons, name=source.name)


def _of_path(path: Path, root: Path | None, absent: Sequence[str], source: Source) -> dict[str, str]:
    if absent == ["method"] and not source.needs_path:
        return {"method": visible(path.name.split(".")[0])}
    run = layouts.run_of(path, root)
    values = {"method": run.method, "task": run.task, "seed": run.seed}
    found = {role: visible(value) for role, value in values.items() if role in absent and value is not None}
    unknown = [role for role in absent if role not in found]
    if unknown:
        raise TableError(
            f"{path} does not say its {' and '.join(unknown)}: arrange logs as METHOD/TASK/SEED/{path.name} "
            f"and give the folder, or give --set {unknown[0]}=VALUE"
        )
    return found


def _refuse_outside(rows: pl.DataFrame, score_range: tuple[float, float], sources: Sequence[Source]) -> None:
    low, high = score_range
    outside = rows.filter((pl.col("score") < low) | (pl.col("score") > high)).sort(ORIGIN, ROW)
    if outside.is_empty():
        return
    row = outside.row(0, named=True)
    source = sources[row[ORIGIN]]
    raise TableError(
        f"column score, {source.where(row[ROW])}: {row['score']:g} lies outside --score-range {low:g} "
        f"{high:g} ({len(outside):,} rows do); give the lowest and highest possible score"
    )


def _summed_up(said: Sequence[str], names: Sequence[str]) -> list[str]:
    """Returns what was recognised, what is true of all files once."""
    if len(names) < 2:
        return list(said)
    found: dict[str, list[str]] = {}
    for text in said:
        name, _, what = text.partition(": ")
        found.setdefault(what, []).append(name)
    lines = []
    for what, which in found.items():
        some = f"{which[0]} and {len(which) - 1} more" if len(which) > 1 else which[0]
        lines.append(f"{what} (all {len(names)} files)" if len(which) == len(names) else f"in {some}: {what}")
    return lines


def _name(sources: Sequence[Source]) -> str:
    return sources[0].name if len(sources) == 1 else f"{sources[0].name} and {len(sources) - 1} more"
