"""From a source's columns to typed episode rows; what is no number is refused with its line."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import NoReturn

import polars as pl

from fvm_eval.reading.columns import shown_name
from fvm_eval.reading.numerals import Mark, numbers, whole
from fvm_eval.reading.source import ORIGIN, ROW, Source
from fvm_eval.statistics.variance import LARGEST
from fvm_eval.table import TableError, coded, spelt

_TEXT = ("method", "checkpoint", "task")
_WHOLE = ("fold", "seed", "env_step", "episode")
_INVISIBLE = "\ufeff\u200b\u200c\u200d\u2060"
_EMPTY, _EXACT = "is empty", 2**53
_KEY = ["method", "fold", "seed", "checkpoint", "task", "env_step"]


def typed(
    source: Source, frame: pl.DataFrame, found: Mapping[str, str], constants: Mapping[str, str], mark: Mark
) -> pl.DataFrame:
    """Returns the roles that the frame has, with their types, and `ROW`.

    Texts lose the blanks around them. Seeds that are names stay texts.

    Raises:
        TableError: A value is missing or of the wrong kind; the message has its line.
    """
    columns = {ROW: frame[ROW]}
    left = list(found.values())
    frame = frame.select(ROW, *dict.fromkeys(left))
    for role, column in found.items():
        values = frame[column]
        left.remove(column)
        if column not in left:  # texts of a million rows take more room than their numbers
            frame = frame.drop(column)
        if role == "checkpoint" and _is_empty(values).all():
            continue
        if role in _TEXT:
            columns[role] = _text(values, role, source, frame)
        elif role in _WHOLE:
            columns[role] = _whole(values, role, source, frame, mark)
        else:
            columns[role] = _score(values, role, source, frame, mark)
    table = pl.DataFrame(columns)
    for role, value in constants.items():
        given, dtype = _constant(role, value)
        table = table.with_columns(pl.lit(given, dtype=dtype).alias(role))
    return table


def _constant(role: str, value: str) -> tuple[str | int | float, type[pl.DataType]]:
    """Returns the one value that a role has in all rows, read as a column's values are, and its type."""
    given = pl.Series([value])
    if role in _TEXT:
        if text := cleaned(value):
            return text, pl.String
        wanted = "a name"
    elif role in _WHOLE:
        if (number := whole(given)[0]) is not None and number >= 0:
            return int(number), pl.Int64
        wanted = "a whole number, 0 or more"
    else:
        score = numbers(given)[0]
        if score is not None and abs(score) < LARGEST:
            return float(score), pl.Float64
        wanted = f"a finite number below {LARGEST:g}"
    raise TableError(f"--set {role}={value}: expected {wanted}")


def joined(tables: Sequence[pl.DataFrame], sources: Sequence[Source]) -> tuple[pl.DataFrame, list[str]]:
    """Returns the rows of all sources with `ORIGIN`, named seeds numbered, and what was done.

    Raises:
        TableError: One source lacks a column that says, in another, which rows belong together.
    """
    said = []
    for role in ("fold", "checkpoint", "env_step"):
        have = [role in table.columns for table in tables]
        if len(set(have)) > 1:
            with_it, without = (sources[have.index(kind)].name for kind in (True, False))
            leave = "" if role == "env_step" else f", or leave it out by --map {role}=none"
            raise TableError(f"{with_it} has a column {role} and {without} has none: add it there{leave}")
    tagged = [table.with_columns(pl.lit(i, pl.UInt32).alias(ORIGIN)) for i, table in enumerate(tables)]
    if any("seed" in t.columns and t["seed"].dtype == pl.String for t in tagged):
        tagged = [t.with_columns(pl.col("seed").cast(pl.String)) for t in tagged]
    rows = pl.concat(tagged, how="diagonal") if len(tagged) > 1 else tagged[0]
    if rows["seed"].dtype == pl.String:
        names = sorted(rows["seed"].unique().to_list(), key=_natural)
        rows = rows.with_columns(
            pl.col("seed").replace_strict({n: i for i, n in enumerate(names)}, return_dtype=pl.Int64)
        )
        said.append(f"seeds are names, numbered from 0: {', '.join(names[:4])}{', ...' * (len(names) > 4)}")
    return rows, said


def counted_twice(rows: pl.DataFrame, sources: Sequence[Source]) -> list[str]:
    """Returns what must be said of rows without episode numbers that may be the same ones again."""
    if "episode" in rows.columns:
        return []
    key = [role for role in _KEY if role in rows.columns]
    times = coded(rows.select(*key, "score")).group_by(*key, "score").len()["len"].to_numpy()
    if times.min() > 1 and rows["score"].n_unique() > 2:
        return ["each row comes more than once, counted here as episodes of their own; leave copies out"]
    if len(sources) < 2:
        return []
    files = coded(rows.select(*key, ORIGIN)).unique().group_by(key).agg(pl.col(ORIGIN).sort())
    files = spelt(files.filter(pl.col(ORIGIN).list.len() > 1)).sort(key)
    if files.is_empty():
        return []
    first = files.row(0, named=True)
    run = ", ".join(f"{role} {first[role]}" for role in key)
    which = " and ".join(sources[origin].name for origin in first[ORIGIN][:2])
    return [
        f"rows of one run stand in several files, counted as its episodes: {run} in {which} "
        f"({len(files):,} such): trainings of their own need seeds of their own"
    ]


def completed(rows: pl.DataFrame) -> tuple[pl.DataFrame, bool]:
    """Returns the rows with every column of the episode table, and whether episodes came with numbers.

    Without a checkpoint each method and seed is one; without episodes, rows of a cell are counted.
    """
    for role in ("fold", "env_step"):
        if role not in rows.columns:
            rows = rows.with_columns(pl.lit(0, pl.Int64).alias(role))
    if "checkpoint" not in rows.columns:
        rows = rows.with_columns(checkpoint=pl.concat_str("method", pl.lit("/"), "seed"))
    if "episode" in rows.columns and rows["episode"].null_count() == 0:
        return rows, True
    return rows.with_columns(episode=pl.int_range(pl.len(), dtype=pl.Int64).over(_KEY)), False


def refuse_twice(rows: pl.DataFrame, sources: Sequence[Source]) -> None:
    """Refuses an episode that comes twice, with both places."""
    key = [*_KEY, "episode"]
    twice = rows.select(pl.struct(key).is_duplicated()).to_series()
    if not twice.any():
        return
    first = rows.filter(twice).head(1)
    both = rows.join(first.select(key), on=key, how="semi").head(2)
    places = [
        f"{sources[origin].where(row)}{f' in {sources[origin].name}' * (len(sources) > 1)}"
        for row, origin in both.select(ROW, ORIGIN).iter_rows()
    ]
    cell = ", ".join(f"{name}={value!r}" for name, value in zip(key, first.select(key).row(0), strict=True))
    raise TableError(
        f"{' and '.join(places)}: this episode comes more than once ({cell}); each may be counted once only"
    )


def _text(values: pl.Series, role: str, source: Source, frame: pl.DataFrame) -> pl.Series:
    try:
        text = values.cast(pl.String)
    except pl.exceptions.PolarsError:
        _refuse(values, role, source, frame, values.is_not_null(), f"is not a text ({values.dtype})")
    if values.dtype.is_float():
        text = pl.select(pl.when(values.is_nan()).then(None).otherwise(text)).to_series()
    distinct = text.unique().drop_nulls().to_list()
    clean = {value: cleaned(value) for value in distinct}
    if any(value != key for key, value in clean.items()):
        text = text.replace_strict(clean, return_dtype=pl.String)
    empty = text.is_null() | (text == "")
    if empty.any():
        _refuse(values, role, source, frame, empty, _EMPTY)
    return text.rename(role)


def _whole(values: pl.Series, role: str, source: Source, frame: pl.DataFrame, mark: Mark) -> pl.Series:
    found = whole(values, mark)
    bad = found.is_null()
    if role == "seed" and bad.all() and values.dtype == pl.String and not _is_empty(values).any():
        return _text(values, role, source, frame)
    if not bad.any():
        bad = found < 0
        wanted = "a whole number >= 0"
    else:
        size = numbers(values, mark)[bad.arg_max() or 0]
        large = size is not None and _EXACT < abs(size) < float("inf")
        wanted = "a whole number that 64 bits hold exactly" if large else "a whole number"
    if bad.any():
        _refuse(values, role, source, frame, bad, f"is not {wanted}")
    return found.rename(role)


def _score(values: pl.Series, role: str, source: Source, frame: pl.DataFrame, mark: Mark) -> pl.Series:
    found = numbers(_truths(values), mark)
    bad = found.is_null()
    if bad.any():
        _refuse(values, role, source, frame, bad, "is not a number")
    bad = ~found.is_finite()
    if bad.any():
        wanted = "a finite number (score a diverged run with the task's lowest score, do not drop it)"
        _refuse(values, role, source, frame, bad, f"is not {wanted}")
    bad = found.abs() >= LARGEST
    if bad.any():
        _refuse(values, role, source, frame, bad, f"is too large: expected less than {LARGEST:g}")
    return found.rename(role)


def _truths(values: pl.Series) -> pl.Series:
    """Returns a column of True and False, as pandas writes them, as truth values; any other as it is."""
    if values.dtype != pl.String or not len(values):
        return values
    told = {text: (text or "").strip().lower() for text in values.unique().to_list()}
    if not set(told.values()) <= {"true", "false"}:
        return values
    truths = {text: word == "true" for text, word in told.items()}
    return values.replace_strict(truths, return_dtype=pl.Boolean)


def _refuse(
    values: pl.Series, role: str, source: Source, frame: pl.DataFrame, bad: pl.Series, problem: str
) -> NoReturn:
    place = bad.arg_max() or 0
    value, row = values[place], int(frame[ROW][place])
    name = shown_name(values.name)
    column = role if name in (role, "") else f"{role} ({name!r})"
    empty = value is None or problem == _EMPTY or (isinstance(value, str) and not value.strip())
    text = " ".join(str(value).split())
    text = text if len(text) <= 60 else f"{text[:57]}..."
    shown = repr(text) if isinstance(value, str) else text
    if isinstance(value, str) and value.strip().lower() in ("nan", "inf", "-inf", "+inf"):
        shown = value.strip()
    came = _EMPTY if empty else f"{shown} {problem}"
    raise TableError(f"column {column}, {source.where(row)}: {came}")


def _is_empty(values: pl.Series) -> pl.Series:
    if values.dtype != pl.String:
        return values.is_null()
    return (values.is_null()) | (values.str.strip_chars() == "").fill_null(True)


def cleaned(value: str) -> str:
    """Returns a name without what nobody sees around it, its letters composed."""
    text = value.strip().strip(_INVISIBLE).strip()
    if len(text) > 1 and text[0] == text[-1] == '"':  # a blank before a quote hides it from CSV readers
        text = text[1:-1].strip()
    return unicodedata.normalize("NFC", text)


def _natural(name: str) -> list[tuple[int, int, str]]:
    return [(0, int(p), "") if p.isdigit() else (1, 0, p) for p in re.split(r"(\d+)", name) if p]
