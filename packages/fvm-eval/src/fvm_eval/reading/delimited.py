"""CSV and its kin: the separator, comments, blank lines, ragged rows.

Values are text, which whoever knows their column turns into numbers. Where all columns that should hold
numbers do so throughout, they are read as such, in a fraction of the time and memory.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import polars as pl

from fvm_eval.reading.columns import plain, shown_name
from fvm_eval.reading.source import Source, numbered
from fvm_eval.table import TableError

_SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_COMMENT = b"#"
_HEAD = 1 << 20  # bytes, and the rest of that line, within which a header ends
_BLANKS = re.compile(rb'("[^"]*")|[ \t]+')  # not those within a quoted name
_UNNAMED = "\x00unnamed"
_SAMPLE = 1000  # rows by which polars tells numbers; one that is none later is noticed


def read_delimited(
    data: bytes, name: str, said: list[str], *, known: frozenset[str], numeric: frozenset[str] = frozenset()
) -> Source:
    """Returns the table of a text file, blank rows left out; its values are text but for `numeric`.

    Args:
        data: UTF-8 without a byte-order mark, lines ended by LF.
        name: Of the file.
        said: What was recognised so far; more is added.
        known: Names that a header may have, in lower case; they tell the separator.
        numeric: Names, as `columns.plain` writes them, of columns that are read as numbers if they are
            nothing else.

    Raises:
        TableError: No header, a row with more fields than the header, a quotation mark that is never closed.
    """
    data, comments = _header_out_of_comment(data, known)
    above = len(data) - len(data.lstrip(b" \t\n"))
    skipped = data.count(b"\n", 0, above)  # blank lines above the header
    data = data.split(b"\n", skipped)[skipped]
    separator, head = _separator(data, known)
    if separator == " ":
        data = _blanks_to_tabs(data)
        separator = "\t"
        said.append("separated by blanks")
    elif separator != ",":
        said.append(f"separated by {_SEPARATORS[separator]}s")
    if comments:
        said.append(f"{comments} comment line{'s' * (comments > 1)} (#) left out")
    if not head:
        raise TableError(f"{name} is empty; expected a header and rows")
    _, header, _ = next(_records(_head(data), separator))
    names = [field.strip() for field in header]
    unique = [f"{n}\x00{i}" if names.count(n) > 1 and names.index(n) != i else n for i, n in enumerate(names)]
    body = _numbers(data, separator, unique, numeric) if numeric else None
    if body is None:
        body = _texts(data, separator, name, unique, skipped, said)
    if b'"' in data and any(map(_has_lines, body)):
        _refuse_unclosed(data, separator, name, skipped)
    frame = numbered(body)
    if _is_blank(body, body.columns[:1]).any():
        frame = frame.filter(~_is_blank(body, body.columns))

    @cache
    def lines() -> list[int]:
        return [skipped + line for line, *_ in _records(data, separator)][1:]

    return Source(name, frame, lambda row: lines()[row], tuple(said))


def _head(data: bytes) -> bytes:
    """Returns the lines among which the header is."""
    end = data.find(b"\n", _HEAD)
    return data if end < 0 else data[:end]


def _is_blank(body: pl.DataFrame, columns: list[str]) -> pl.Series:
    """Returns in which rows all of these columns are empty."""
    empty = [
        pl.col(name).is_null() | (pl.col(name).str.strip_chars() == "")
        if body[name].dtype == pl.String
        else pl.col(name).is_null()
        for name in columns
    ]
    return body.select(pl.all_horizontal(empty)).to_series()


def _numbers(data: bytes, separator: str, unique: list[str], numeric: frozenset[str]) -> pl.DataFrame | None:
    """Returns the rows with these columns as numbers; None where one holds anything else."""
    wanted = [name for name in unique if plain(shown_name(name)) in numeric]
    texts = dict.fromkeys((name for name in unique if name not in wanted), pl.String)
    body = _read(data, separator, new_columns=unique, schema_overrides=texts, infer_schema_length=_SAMPLE)
    if body is None or not all(body[name].dtype in (pl.Int64, pl.Float64) for name in wanted):
        return None
    return body


def _read(data: bytes, separator: str, **options: Any) -> pl.DataFrame | None:
    """Returns the rows below the header; None where polars cannot read them so."""
    try:
        return pl.read_csv(
            data, separator=separator, has_header=True, comment_prefix=_COMMENT.decode(), **options
        )
    except pl.exceptions.PolarsError:
        return None
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        return None


def _texts(
    data: bytes, separator: str, name: str, names: list[str], skipped: int, said: list[str]
) -> pl.DataFrame:
    """Returns the rows below the header as text, under unique names."""
    body = _read(data, separator, new_columns=names, infer_schema=False)
    if body is not None:
        return body
    rows = [fields for _, fields, _ in _records(data, separator)][1:]
    if (behind := _unnamed(rows, len(names))) is not None:
        names = [*names, _UNNAMED] if behind else [_UNNAMED, *names]
        said.append(f"a column without a name {'behind' if behind else 'before'} the others left out")
    for line, fields, _ in _records(data, separator):
        if len(fields) > len(names):
            raise TableError(
                f"{name}, line {skipped + line}: {len(fields)} fields, the header has {len(names)}; does a "
                f"text with the separator {separator!r} lack its quotes?"
            )
    width = len(names)
    padded = [[*row, *[None] * (width - len(row))] for row in rows]
    return pl.DataFrame(padded, schema=dict.fromkeys(names, pl.String), orient="row")


def _unnamed(rows: list[list[str]], width: int) -> bool | None:
    """Returns whether a column without a name is behind the others, empty, or before them, numbers of rows.

    R and the text of a pandas frame have numbers there. None where there is no such column.
    """
    filled = [row for row in rows if row]
    if {len(row) for row in filled} != {width + 1}:
        return None
    if not any(row[-1].strip() for row in filled):
        return True
    first = [row[0].strip() for row in filled]
    return False if all(map(str.isdigit, first)) and len(set(first)) == len(first) else None


def _has_lines(column: pl.Series) -> bool:
    return column.dtype == pl.String and bool(column.str.contains("\n", literal=True).any())


def _refuse_unclosed(data: bytes, separator: str, name: str, skipped: int) -> None:
    """Refuses a text of several lines that no quotation mark ends: the rows in it would be lost."""
    for line, _, text in _records(data, separator):
        if "\n" not in text.rstrip("\n"):
            continue
        try:
            list(csv.reader(io.StringIO(text, newline="\n"), delimiter=separator, strict=True))
        except csv.Error:
            raise TableError(
                f"{name}, line {skipped + line}: a quotation mark there is not closed, so that the rows "
                "below would be a part of its text"
            ) from None


def _records(data: bytes, separator: str) -> Iterator[tuple[int, list[str], str]]:
    """Yields where each record begins, its fields and its text; a blank line has none, a comment is none."""
    pulled: list[int] = []
    taken: list[str] = []

    def lines() -> Iterator[str]:
        for number, line in enumerate(io.StringIO(data.decode("utf-8"), newline="\n"), 1):
            if taken or not line.startswith("#"):  # within a text of several lines it is no comment
                pulled.append(number)
                taken.append(line)
                yield line

    csv.field_size_limit(1 << 30)
    reader = csv.reader(lines(), delimiter=separator)
    begun = 0
    for fields in reader:
        yield pulled[begun], fields, "".join(taken)
        begun = len(pulled)
        taken.clear()


def _header_out_of_comment(data: bytes, known: frozenset[str]) -> tuple[bytes, int]:
    """Returns the text with a header behind "#" uncovered, a line "sep=;" hidden; and the comment lines."""
    if data[:4].lower() == b"sep=":
        data = b"#" + data
    if not data.startswith(_COMMENT) and b"\n#" not in data:
        return data, 0
    count = data.count(b"\n#") + data.startswith(_COMMENT)
    start = 0
    while data[start : start + 1] in (b"#", b"\n"):
        end = data.find(b"\n", start)
        end = len(data) if end < 0 else end
        line = data[start + 1 : end].decode("utf-8").strip()
        fields = {field.strip(' "').lower() for field in re.split(r"[,;\t|]", line)}
        if len(fields & known) >= 2:  # numpy.savetxt writes its header so
            return data[:start] + b" " + data[start + 1 :], count - 1
        start = end + 1
    return data, count


def _separator(data: bytes, known: frozenset[str]) -> tuple[str, str]:
    """Returns the separator and the header's line: the one that cuts it into most known names."""
    for line in io.StringIO(data[:_HEAD].decode("utf-8", "ignore")):
        if not line.strip() or line.startswith("#"):
            continue
        line = line.strip("\n")

        def worth(separator: str, line: str = line) -> tuple[int, int]:
            fields = next(csv.reader([line], delimiter=separator), [])
            return sum(field.strip().lower() in known for field in fields), len(fields)

        best = max(_SEPARATORS, key=worth)
        if worth(best)[1] == 1 and len(line.split()) > 2:
            return " ", line
        return best, line
    return ",", ""


def _blanks_to_tabs(data: bytes) -> bytes:
    return b"\n".join(
        _BLANKS.sub(lambda found: found[1] or b"\t", line.strip()) for line in data.split(b"\n")
    )
