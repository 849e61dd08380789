"""Opening files: each becomes a `Source`, whatever its format."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

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


def open_table(path: Path, request: Request | None = None) -> Source:
    """Returns one file's table as it is: CSV and its kin, parquet, Arrow, JSON, npz.

    Raises:
        TableError: It cannot be read as any of them.
        FileNotFoundError: There is no such file.
    """
    request = request or Request()
    name = path.name
    if path.exists() and not path.is_file():
        raise TableError(f"{path} is not a file")
    data = path.read_bytes()
    if not data or data.isspace():
        raise TableError(f"{path} is empty; expected a header with {', '.join(columns.REQUIRED)}")
    if data.startswith(b"PK\x03\x04") and path.suffix == ".npz":
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
    found: list[tuple[Source, Path | None, Path | None]] = []
    for path in map(Path, [given] if isinstance(given, (str, Path)) else given):
        if path.is_dir():
            files = sorted({file for pattern in _TABLES for file in path.rglob(pattern)})
            evaluations = [file for file in files if file.suffix == ".npz"]
            files = evaluations or files  # evaluations of frozen agents come before training logs
            files = files or sorted(f for f in path.iterdir() if f.is_file() and f.suffix in _READABLE)
            if not files:
                raise TableError(f"{path} is a folder without tables; expected {', '.join(_TABLES)} or CSV")
            found += [(open_table(file, request), file, path) for file in files]
        else:
            found.append((open_table(path, request), path, None))
    if len(found) > 1 and all(source.needs_path and "length" in source.frame.columns for source, *_ in found):
        groups: dict[Path, list[int]] = {}
        for place, (_, file, _root) in enumerate(found):
            assert file is not None, "Monitors come from files"
            groups.setdefault(file.parent, []).append(place)
        for places in groups.values():
            frames = merged([found[place][0] for place in places])
            for place, frame in zip(places, frames, strict=True):
                source, file, root = found[place]
                found[place] = (replace(source, frame=frame), file, root)
    return found


def _json(data: bytes, name: str, said: list[str], request: Request) -> Source:
    """Returns the table of JSON: marl-eval's layout, a list of records, one record a line, or columns."""
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        try:
            lines = [json.loads(line) for line in data.splitlines() if line.strip()]
        except (ValueError, RecursionError) as error:
            raise TableError(f"{name} is no JSON: {str(error).splitlines()[0]}") from None
        content = lines
    if isinstance(content, dict) and is_marl_eval(content):
        source = layouts.read_marl_eval(content, name, request.columns.get("score"))
        return replace(source, said=(*said, *source.said))
    records = content if isinstance(content, list) else [content]
    by_column = isinstance(content, dict) and all(isinstance(value, list) for value in content.values())
    try:
        if not by_column and (not records or not all(isinstance(record, dict) for record in records)):
            raise TypeError
        table = content if by_column else records
        frame = pl.DataFrame(table, infer_schema_length=None, strict=False)
    except (pl.exceptions.PolarsError, TypeError, ValueError):
        raise TableError(
            f"{name} is JSON but no table: expected records, columns, or marl-eval's environment, task, "
            "algorithm, run, step"
        ) from None
    return Source(name, numbered(frame), None, (*said, "JSON"))


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
