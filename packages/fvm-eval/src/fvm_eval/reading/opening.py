"""Opening files: each becomes a `Source`, whatever its format."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from fvm_eval.naming import visible
from fvm_eval.reading import columns, layouts
from fvm_eval.reading.delimited import read_delimited
from fvm_eval.reading.frames import read_frame
from fvm_eval.reading.layouts.marl_eval import is_marl_eval
from fvm_eval.reading.layouts.stable_baselines import merged
from fvm_eval.reading.raw_text import text_of, unpacked
from fvm_eval.reading.request import Request
from fvm_eval.reading.source import Source, numbered
from fvm_eval.table import TableError

_TABLES = ("*monitor.csv", "progress.csv", "progress.json", "evaluations.npz")
_HEAD = 1 << 20  # bytes in which something stands that is no blank
_READABLE = (".csv", ".tsv", ".txt", ".parquet", ".json", ".jsonl", ".npz", ".gz", ".feather", ".arrow")


def open_table(path: Path, request: Request | None = None, name: str | None = None) -> Source:
    """Returns one file's table as it is: CSV and its kin, parquet, Arrow, JSON, npz.

    Args:
        path: Of the file.
        request: How it is to be read.
        name: What messages call it where it is one of several; else its own name.

    Raises:
        TableError: It cannot be read as any of them.
        FileNotFoundError: There is no such file.
    """
    source = _opened(path, request or Request(), visible(path.name if name is None else name))
    return replace(source, one_of_several=name is not None)


def _opened(path: Path, request: Request, name: str) -> Source:
    if path.exists() and not path.is_file():
        raise TableError(f"{path} is not a file")
    data = path.read_bytes()
    if not data or data.isspace():
        raise TableError(f"{path} is empty; expected a header with {', '.join(columns.REQUIRED)}")
    if data.startswith(b"PK\x03\x04") and path.suffix.lower() == ".npz":
        return layouts.read_evaluations(data, name)
    data, said = unpacked(data, name)
    if data[:4] == b"PAR1" or data[:6] == b"ARROW1":
        return Source(name, numbered(_columnar(data, name)), None, said)
    data, heard = text_of(data, name, request.encoding)
    said += heard
    if not data or data.isspace():
        raise TableError(f"{path} is empty; expected a header with {', '.join(columns.REQUIRED)}")
    if data[:_HEAD].lstrip()[:1] in (b"{", b"["):
        return _json(data, name, said, request)
    if layouts.is_monitor(data):
        return layouts.read_monitor(data, name, said)
    known = columns.KNOWN | {column.lower() for column in request.columns.values()}
    source = read_delimited(data, name, said, known=known, numeric=_numeric(request))
    if layouts.is_export(source.columns):
        return layouts.read_export(source, request.columns.get("score"))
    return source


def _numeric(request: Request) -> frozenset[str]:
    """Returns the names of columns that may be read as numbers at once."""
    if request.as_text or request.decimal is not None:
        return frozenset()
    own = {role: columns.plain(column) for role, column in request.columns.items()}
    texts = {column for role, column in own.items() if role not in columns.NUMBERS}
    return (columns.NUMBERS | set(own.values())) - texts


def open_all(given: Any, request: Request) -> list[tuple[Source, Path | None, Path | None]]:
    """Returns the tables, each with its path and the folder in which it was found."""
    if not isinstance(given, (str, Path)) and not (
        isinstance(given, (list, tuple)) and all(isinstance(item, (str, Path)) for item in given)
    ):
        return [(read_frame(given), None, None)]
    found: list[tuple[Path, Path | None]] = []
    for path in map(Path, [given] if isinstance(given, (str, Path)) else given):
        if path.is_dir():
            files = sorted({file for pattern in _TABLES for file in path.rglob(pattern)})
            evaluations = [file for file in files if file.suffix == ".npz"]
            files = evaluations or files  # evaluations of frozen agents come before training logs
            files = files or sorted(f for f in path.iterdir() if f.is_file() and f.suffix in _READABLE)
            if not files:
                raise TableError(f"{path} is a folder without tables; expected {', '.join(_TABLES)} or CSV")
            found += [(file, path) for file in files]
        else:
            found.append((path, None))
    places = [os.path.realpath(file) for file, _ in found]
    if len(set(places)) < len(places):
        twice = next(place for place in places if places.count(place) > 1)
        raise TableError(f"{twice} is given twice, so that its rows would be counted twice")
    several, folders = len(found) > 1, {root for _, root in found}
    opened = [
        (open_table(file, request, _within(file, root, folders) if several else None), file, root)
        for file, root in found
    ]
    if several and all(source.needs_path and "length" in source.frame.columns for source, *_ in opened):
        groups: dict[Path, list[int]] = {}
        for number, (_, file, _root) in enumerate(opened):
            groups.setdefault(file.parent, []).append(number)
        for numbers in groups.values():
            frames = merged([opened[number][0] for number in numbers])
            for number, frame in zip(numbers, frames, strict=True):
                source, file, root = opened[number]
                opened[number] = (replace(source, frame=frame), file, root)
    return list(opened)


def _within(file: Path, root: Path | None, folders: Collection[Path | None]) -> str:
    """Returns a file's path in the folder that was given; where several were given, as it was given."""
    return str(file if root is None or len(folders) > 1 else file.relative_to(root))


def _json(data: bytes, name: str, said: list[str], request: Request) -> Source:
    """Returns the table of JSON: marl-eval's layout, a list of records, one record a line, or columns."""
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        content = _json_lines(data, name, error)
    if isinstance(content, dict) and is_marl_eval(content):
        source = layouts.read_marl_eval(content, name, request.columns.get("score"))
        return replace(source, said=(*said, *source.said))
    content = _from_pandas(content)
    records = content if isinstance(content, list) else [content]
    by_column = isinstance(content, dict) and all(isinstance(value, list) for value in content.values())
    try:
        if not content or not (by_column or all(isinstance(record, dict) for record in records)):
            raise TypeError
        table = content if by_column else records
        frame = pl.DataFrame(table, infer_schema_length=None, strict=False)
    except (pl.exceptions.PolarsError, TypeError, ValueError):
        raise TableError(
            f"{name} is JSON but no table: expected records, columns, or marl-eval's environment, task, "
            "algorithm, run, step"
        ) from None
    return Source(name, numbered(frame), None, (*said, "JSON"))


def _json_lines(data: bytes, name: str, whole: Exception) -> list[Any]:
    """Returns one record a line; the refusal names the line where there are several records."""
    records: list[Any] = []
    for number, line in enumerate(data.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            records.append(json.loads(line))
        except (ValueError, RecursionError) as error:
            if not records:
                raise TableError(f"{name} is no JSON: {str(whole).splitlines()[0]}") from None
            raise TableError(f"{name}, line {number} is no JSON: was it cut short? ({error})") from None
    return records


def _from_pandas(content: Any) -> Any:
    """Returns the columns or records of what `DataFrame.to_json` writes; other content as it is."""
    if not isinstance(content, dict):
        return content
    if isinstance(content.get("data"), list) and "schema" in content:  # orient="table"
        return content["data"]
    names, rows = content.get("columns"), content.get("data")
    if isinstance(names, list) and isinstance(rows, list) and all(map(_is_list, rows)):  # orient="split"
        return [dict(zip(map(str, names), row, strict=False)) for row in rows]
    if content and all(isinstance(column, dict) for column in content.values()):  # its default
        keys = [list(column) for column in content.values()]
        if len(keys[0]) and all(key == keys[0] for key in keys):
            return {name: list(column.values()) for name, column in content.items()}
    return content


def _is_list(value: object) -> bool:
    return isinstance(value, list)


def _columnar(data: bytes, name: str) -> pl.DataFrame:
    try:
        if data[:4] == b"PAR1":
            return pl.read_parquet(io.BytesIO(data))
        return pl.read_ipc(io.BytesIO(data))
    except pl.exceptions.PolarsError:
        pass
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
    raise TableError(f"{name} is damaged: it begins as parquet or Arrow and cannot be read")
