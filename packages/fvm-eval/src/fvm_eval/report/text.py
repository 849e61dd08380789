"""Numbers and small pieces of HTML, written the same way everywhere."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence

from fvm_eval.statistics.intervals import Interval


def escape(value: object) -> str:
    """Returns text that is safe in HTML and in attributes."""
    return html.escape(str(value), quote=True)


def number(value: float, *, signed: bool = False) -> str:
    """Returns three significant digits, with a true minus sign."""
    digits = 0 if abs(value) >= 1000 else 1 if abs(value) >= 100 else 2
    text = f"{value:+,.{digits}f}" if signed else f"{value:,.{digits}f}"
    return (text.lstrip("+-") if float(text.replace(",", "")) == 0 else text).replace("-", "−")


def p_value(p: float | None) -> str:
    """Returns three decimals, "<0.001" below them, a dash where there is none."""
    if p is None:
        return "–"
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def limits(interval: Interval, shown: Callable[[float], float], *, signed: bool = False) -> str:
    """Returns "[low, high]", or why there is none."""
    if interval.low is None or interval.high is None:
        return "no interval"
    ends = (number(shown(end), signed=signed) for end in (interval.low, interval.high))
    return f"[{', '.join(ends)}]"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Returns an HTML table in a scrolling box; cells are HTML, all but the first column numbers.

    A row of one cell is a heading of those below it.
    """
    kinds = ["", *[' class="n"'] * (len(head) - 1)]
    titles = "".join(f"<th{kind}>{_broken(name)}</th>" for name, kind in zip(head, kinds, strict=True))
    body = []
    for row in rows:
        if len(row) == 1 < len(head):
            body.append(f'<tr class="group"><th colspan="{len(head)}">{escape(row[0])}</th></tr>')
            continue
        cells = [f"<td{kind}>{cell}</td>" for cell, kind in zip(row[1:], kinds[1:], strict=True)]
        body.append(f"<tr><th>{row[0]}</th>{''.join(cells)}</tr>")
    return (
        f'<div class="scroll"><table><thead><tr>{titles}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def _broken(name: str) -> str:
    """Returns a column's name, what is in parentheses on a line of its own."""
    return escape(name).replace(" (", "<br>(")


def capital(text: str) -> str:
    """Returns the text with a capital first letter."""
    return text[:1].upper() + text[1:]


def plural(count: int, noun: str) -> str:
    """Returns "1 seed", "2 seeds"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
