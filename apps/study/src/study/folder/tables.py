"""The tables of a study's own folder, with the SHA-256 of each, so that another study can believe them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from study.errors import StudyError
from study.folder.files import (
    Damaged,
    json_bytes,
    parse_table,
    read_bytes,
    read_json,
    table_bytes,
    write_bytes,
)
from study.folder.job_record import check_whole, checked_sums, key_of

SUMS = "tables.json"
Columns = Mapping[str, type[pl.DataType]]  # their types by name


def write_tables(root: Path, tables: Mapping[str, pl.DataFrame]) -> None:
    """Writes tables by name, and their sums; equal tables are equal bytes."""
    sums = {}
    for name, table in tables.items():
        data = table_bytes(table)
        sums[name] = hashlib.sha256(data).hexdigest()
        write_bytes(root / name, data)
    write_bytes(root / SUMS, json_bytes({"files": sums, "sha256": key_of({"files": sums})}))


def read_table(root: Path, name: str, columns: Columns) -> pl.DataFrame:
    """Returns a table of another study, held against its sum.

    Args:
        root: That study's folder.
        name: Of the table's file.
        columns: That it must have, with their types.

    Raises:
        Damaged: It is not what that study wrote, or has no sum, as one of an earlier version.
        OSError: It cannot be read.
    """
    try:
        value = read_json(root / SUMS)
    except FileNotFoundError:
        raise Damaged("its study lists no sums of its tables, as an earlier version did not") from None
    if not isinstance(value, dict) or not isinstance(value.get("files"), dict):
        raise Damaged(f"{SUMS} lists no sums of tables")
    check_whole(value)
    data = read_bytes(root / name)
    if hashlib.sha256(data).hexdigest() != checked_sums(value["files"]).get(name):
        raise Damaged(f"it does not match its SHA-256 in {SUMS}")
    return of_columns(parse_table(data), columns)


def table_at(path: Path, mend: str) -> pl.DataFrame:
    """Returns a table that has no sum; raises StudyError, which tells the user to do what `mend` says."""
    try:
        return parse_table(read_bytes(path))
    except (OSError, Damaged) as error:
        words = getattr(error, "strerror", None) or str(error)
        raise StudyError(f"{path} is damaged ({words}); {mend}") from None


def of_columns(table: pl.DataFrame, columns: Columns) -> pl.DataFrame:
    """Returns a table that has these columns, of these types; raises Damaged for another.

    A whole number may have any number of bits, and stand where a fraction may.
    """
    for name, kind in columns.items():
        if name not in table.columns:
            raise Damaged(f"it has no column {name}")
        found = table.schema[name]
        whole = found.is_integer() and kind in (pl.Int64, pl.Float64)
        if found != kind and not whole and not table.is_empty():
            raise Damaged(f"its column {name} is {found}, not {kind}")
    return table
