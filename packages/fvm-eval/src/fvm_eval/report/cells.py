"""What a template needs to draw a table's cell, and the one way to templates: everything is escaped."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from fvm_eval.report.method_styles import MethodStyle


@dataclass(frozen=True)
class Cell:
    """A table's cell.

    Attributes:
        text: What is written.
        lines: Small lines below it.
        strong: Whether it is the number that counts.
        quiet: Whether it is a side remark.
        code: Whether it is an id or a hash.
        tone: Class of a verdict, for its colour.
        style: Of the method that it names, whose line is drawn before it.
    """

    text: str
    lines: Sequence[str] = ()
    strong: bool = False
    quiet: bool = False
    code: bool = False
    tone: str = ""
    style: MethodStyle | None = None


Row = Sequence[str | Cell]


@dataclass(frozen=True)
class Grid:
    """A table.

    Attributes:
        head: Names of the columns.
        rows: Cells; a row of one cell is a heading of those below it.
        title: Above it.
        note: Below it.
        folded: What the reader clicks to see it; empty if it is seen.
    """

    head: Sequence[str]
    rows: Sequence[Row]
    title: str = ""
    note: str = ""
    folded: str = ""


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("fvm_eval.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def filled(template: str, **values: Any) -> Markup:
    """Returns a template as HTML; whatever is put into it is text, unless it came from a template itself."""
    page = _templates().get_template(template).render(**values).strip()
    return Markup(re.sub(r">\n\s*<", "><", page))
