"""Numbers as people write them: 1e6 and 1000000.0 are whole, 0,5 has a decimal comma, 1,000 a group."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

import polars as pl

from fvm_eval.table import TableError

Mark = Literal[".", ","]
_BLANK = "[\u00a0\u202f\u2009' ]"  # between groups of three digits
_GROUPS = {mark: rf"^[+-]?\d{{1,3}}({re.escape(mark)}\d{{3}})+([^\d{mark}].*)?$" for mark in (",", ".")}
_EXACT = 2**53  # a float holds every whole number up to here


def decimal_mark(columns: Iterable[pl.Series], *, semicolons: bool, name: str) -> Mark:
    """Returns the decimal mark that a file's numbers are written with.

    Args:
        columns: The text columns that hold numbers.
        semicolons: Whether the file is separated by semicolons, as where the comma is the decimal mark.
        name: Of the file.

    Raises:
        TableError: Some numbers have a decimal comma and others a point, or nothing tells 1,234 from 1.234.
    """
    comma = point = doubt = None
    for column in columns:
        texts = column.filter(column.str.contains(",", literal=True)).str.strip_chars()
        if not len(texts):
            plain = column.filter(column.str.contains(r"\.\d"))
            point = point or (plain[0] if len(plain) else None)
            continue
        certain = r"^[+-]?(0?,\d+|\d+,(\d{1,2}|\d{4,})|\d{4,},\d+|\d{1,3}(\.\d{3})+,\d+|\d+,\d+[eE][+-]?\d+)$"
        commas = texts.filter(texts.str.contains(certain))
        thousands = texts.filter(texts.str.contains(r"^[+-]?\d{1,3}((,\d{3})+\.\d+|(,\d{3}){2,})$"))
        plain = column.filter(column.str.contains(r"^\s*[+-]?(0?\.\d+|\d+\.(\d{1,2}|\d{4,}))([eE]|\s*$)"))
        open_ = texts.filter(texts.str.contains(r"^[+-]?[1-9]\d{0,2},\d{3}$"))
        comma = comma or (commas[0] if len(commas) else None)
        point = point or (thousands[0] if len(thousands) else plain[0] if len(plain) else None)
        doubt = doubt or (open_[0] if len(open_) else None)
    if comma and point:
        raise TableError(
            f"{name} has decimal commas ({comma.strip()}) and points ({point.strip()}): write all numbers "
            "one way, or say which is the decimal mark by --decimal , or --decimal ."
        )
    if comma or (doubt and semicolons and not point):
        return ","
    if doubt and not point:
        raise TableError(
            f"{name}: {doubt} may be {doubt.replace(',', '.')} or {doubt.replace(',', '')}; say which by "
            "--decimal , or --decimal ."
        )
    return "."


def numbers(column: pl.Series, mark: Mark = ".") -> pl.Series:
    """Returns the column as floats; what is no number is null. NaN and infinity stay what they are.

    Args:
        column: Text, numbers or truth values.
        mark: The decimal mark of texts; the other one may stand between groups of three digits.
    """
    if column.dtype.is_numeric() or column.dtype == pl.Boolean:
        return column.cast(pl.Float64)
    if column.dtype != pl.String:
        return pl.Series(column.name, [None] * len(column), pl.Float64)
    found = column.cast(pl.Float64, strict=False) if mark == "." else _plain(column, mark)
    if found.null_count() == column.null_count():
        return found
    left = found.is_null() & column.is_not_null()
    again = _plain(column.filter(left), mark)
    if again.null_count() == len(again):
        return found
    places = left.arg_true()
    return found.scatter(places, again)


def whole(column: pl.Series, mark: Mark = ".") -> pl.Series:
    """Returns the column as whole numbers: 1e6, 0.0 and 1000000.0 are; null where it is none."""
    if column.dtype.is_integer():
        return column.cast(pl.Int64, strict=False)
    if column.dtype == pl.String:
        found = column.cast(pl.Int64, strict=False)
        if found.null_count() == column.null_count():
            return found
    value = numbers(column, mark)
    exact = value.is_finite() & (value == value.floor()) & (value.abs() <= _EXACT)
    floats = pl.select(pl.when(exact).then(value).otherwise(None)).to_series().cast(pl.Int64)
    return found.fill_null(floats) if column.dtype == pl.String else floats


def _plain(column: pl.Series, mark: Mark) -> pl.Series:
    """Returns floats of texts with groups of digits, a true minus sign, a decimal comma."""
    texts = column.str.strip_chars('\ufeff\u200b \t\u00a0\n"').str.replace("^\u2212", "-")
    spaced = texts.str.contains(rf"^[+-]?\d{{1,3}}({_BLANK}\d{{3}})+([.,]\d+)?$")
    closed = texts.str.replace_all(_BLANK, "")
    texts = pl.select(pl.when(spaced).then(closed).otherwise(texts)).to_series()
    other = "," if mark == "." else "."
    grouped = texts.str.contains(_GROUPS[other])
    spread = texts.str.replace_all(other, "", literal=True)
    if mark == ",":
        lone = texts.str.contains(r"^[+-]?\d+\.\d+([eE]|$)") & ~grouped
        texts = pl.select(pl.when(lone).then(None).otherwise(texts)).to_series()  # 0.5 beside 0,5
    texts = pl.select(pl.when(grouped).then(spread).otherwise(texts)).to_series()
    if mark == ",":
        texts = texts.str.replace(",", ".", literal=True)
    return texts.cast(pl.Float64, strict=False).alias(column.name)
