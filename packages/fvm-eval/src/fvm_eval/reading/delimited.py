"""CSV and its kin: the separator, comments, blank lines, ragged rows; every value stays text."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from functools import cache

import polars as pl

from fvm_eval.reading.source import Source, numbered
from fvm_eval.table import TableError

_SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_COMMENT = b"#"
_SHOWN = 60


def read_delimited(data: bytes, name: str, said: list[str], *, known: frozenset[str]) -> Source:
    """Returns the table of a text file; all its values are text, blank rows are left out.

    Args:
        data: UTF-8 without a byte-order mark, lines ended by LF.
        name: Of the file.
        said: What was recognised so far; more is added.
        known: Names that a header may have, in lower case; they tell the separator.

    Raises:
        TableError: No header, two equal names, a row with more fields than the header.
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
    header = next(_records(data, separator))[1]
    names = [field.strip() for field in header]
    body = _body(data, separator, name, names, skipped)
    frame = numbered(body)
    first = body.to_series(0)
    if ((first.is_null()) | (first.str.strip_chars() == "")).any():
        blank = pl.all_horizontal(
            pl.col(column).is_null() | (pl.col(column).str.strip_chars() == "") for column in body.columns
        )
        frame = frame.filter(~blank)

    @cache
    def lines() -> list[int]:
        return [skipped + line for line, _ in _records(data, separator)][1:]

    return Source(name, frame, lambda row: lines()[row], tuple(said))


def _body(data: bytes, separator: str, name: str, names: list[str], skipped: int) -> pl.DataFrame:
    """Returns the rows below the header, under unique names."""
    unique = [f"{n}\x00{i}" if names.count(n) > 1 and names.index(n) != i else n for i, n in enumerate(names)]
    try:
        return pl.read_csv(
            data,
            separator=separator,
            has_header=True,
            new_columns=unique,
            infer_schema=False,
            comment_prefix=_COMMENT.decode(),
        )
    except pl.exceptions.PolarsError:
        pass
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
    for line, fields in _records(data, separator):
        if len(fields) > len(names):
            raise TableError(
                f"{name}, line {skipped + line}: {len(fields)} fields, the header has {len(names)}; does a "
                f"text with the separator {separator!r} lack its quotes?"
            )
    rows = [fields for _, fields in _records(data, separator)][1:]
    width = len(names)
    padded = [[*row, *[None] * (width - len(row))] for row in rows]
    return pl.DataFrame(padded, schema=dict.fromkeys(unique, pl.String), orient="row")


def _records(data: bytes, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yields the line where a record begins, and its fields; a blank line has none, a comment is none."""
    pulled: list[int] = []

    def lines() -> Iterator[str]:
        for number, line in enumerate(io.StringIO(data.decode("utf-8"), newline="\n"), 1):
            if not line.startswith("#"):
                pulled.append(number)
                yield line

    csv.field_size_limit(1 << 30)
    reader = csv.reader(lines(), delimiter=separator)
    begun = 0
    for fields in reader:
        yield pulled[begun], fields
        begun = len(pulled)


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
    for line in io.StringIO(data[: 1 << 20].decode("utf-8", "ignore")):
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
    lines = [re.sub(rb"[ \t]+", b"\t", line.strip()) for line in data.split(b"\n")]
    return b"\n".join(lines)
