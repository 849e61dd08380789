"""A report's page held against its numbers: every table cell, as a reader sees it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from math import floor, log10
from typing import Any


class Tables(HTMLParser):
    """Collects the rows of all tables, each cell as the texts in it."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[list[str]]] = []
        self.quiet = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begins a row or a cell; drawings are no text."""
        self.quiet += tag in ("svg", "style")
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th") and self.rows:
            self.rows[-1].append([])

    def handle_endtag(self, tag: str) -> None:
        """Ends a drawing."""
        self.quiet -= tag in ("svg", "style")

    def handle_data(self, data: str) -> None:
        """Adds a text to the cell."""
        if data.strip() and not self.quiet and self.rows and self.rows[-1]:
            self.rows[-1][-1].append(data.strip())


def number(value: float, like: float = 0.0, *, signed: bool = False, early: bool = False) -> str:
    """Returns a number as the page writes it, with the decimals of the largest beside it.

    Early pages write 0.00 where others have as many decimals as show the sign of a difference.
    """
    size = abs(value)
    if size < 1e-12:
        return "0.00"
    size = max(size, like)
    digits = 0 if size >= 1000 else 1 if size >= 100 else 2 if size >= 0.1 else 2 - floor(log10(size))
    text = f"{value:{'+' if signed else ''},.{digits}f}"
    if float(text.replace(",", "")) == 0:
        text = text.lstrip("+-")
        if (
            signed and not early and abs(value) >= 1e-4
        ):  # on which side of 0 a difference lies is what is asked
            text = f"{value:+.{-floor(log10(abs(value)))}f}"
    while digits > 2 and text.endswith("0"):
        text, digits = text[:-1], digits - 1
    return text.replace("-", "−")


def estimate(
    row: Mapping[str, Any], *, low: float, span: float, signed: bool = False, early: bool = False
) -> tuple[str, list[str]]:
    """Returns a mean and its limits as the page writes them, in shown units."""
    shown = {n: low + span * row[n] for n in ("mean", "low", "high") if row.get(n) is not None}
    like = max(map(abs, shown.values()))
    lines = ["no interval"]
    if "low" in shown:
        ends = (number(shown[end], like, signed=signed, early=early) for end in ("low", "high"))
        lines = [f"[{', '.join(ends)}]"]
    return number(shown["mean"], like, signed=signed, early=early), lines


def expected(report: Mapping[str, Any], *, early: bool = False) -> Iterator[tuple[str, list[str]]]:
    """Yields what must stand together in one row of the page, or of an early one, and which numbers it is."""
    labels, score = report["labels"], report["score"]
    every = report["summaries"]
    for method in dict.fromkeys(row["method"] for row in every):
        texts = [labels[method]]
        for row in (row for row in every if row["method"] == method):
            mean, (ends,) = estimate(row, low=score["low"], span=score["span"])
            texts += [mean, f"these {ends}" if ends.startswith("[") else ends]
        yield f"results of {method}", texts
    pairs = dict.fromkeys((row["left"], row["right"]) for row in report.get("differences", ()))
    for left, right in pairs:
        texts = []
        for row in report["differences"]:
            if (row["left"], row["right"]) == (left, right):
                mean, (ends,) = estimate(row, low=0.0, span=score["span"], signed=True, early=early)
                texts += [mean, f"these {ends}" if ends.startswith("[") else ends]
        yield f"{left} - {right}", texts
    for row in report.get("claims", ()):
        several = sum(other["claim"] == row["claim"] for other in report["claims"]) > 1
        if row["estimate"] is None or not several:
            continue
        found = {**row, "mean": row["estimate"]}
        mean, (ends,) = estimate(found, low=0.0, span=1.0, signed=True, early=early)
        result = "✓ passes" if row["passed"] else "✗ contradicted" if row["contradicted"] else "open"
        yield f"{row['claim']}, {row['part']}", [row["part"], row["summary"], mean, ends, result]
    for claim in dict.fromkeys(row["claim"] for row in report.get("claims", ())):
        verdict = next(row["verdict"] for row in report["claims"] if row["claim"] == claim)
        mark = {"supported": "✓", "contradicted": "✗"}.get(verdict, "?")
        yield f"verdict of {claim}", [claim, f"{mark} {verdict}"]
    for row in report["aggregates"]:
        if row["measure"] in ("Interquartile mean", "Median", "Optimality gap"):
            low = 0.0 if row["measure"] == "Optimality gap" else score["low"]
            mean, (ends,) = estimate(row, low=low, span=score["span"])
            yield f"{row['measure']} of {row['arm']}", [labels.get(row["arm"], row["arm"]), mean, ends]
    for row in report.get("improvement", ()):
        mean, (ends,) = estimate(row, low=0.0, span=1.0)
        p = "<0.001" if row["p"] < 0.001 else f"{row['p']:.3f}"
        pair = f"{labels[row['left']]} − {labels[row['right']]}"
        yield f"improvement, {pair}", [pair, mean, ends, p]
    for row in report.get("shared", ()):
        span = "" if row["low"] is None else f"[{row['low']:.2f}, {row['high']:.2f}]"
        sds = [number(score["span"] * row[name]) for name in ("shared_sd", "residual_sd")]
        texts = [labels[row["method"]], f"{row['icc']:.2f}", *filter(None, [span]), *sds]
        yield f"what checkpoints of {row['method']} share", texts
    for row in report.get("costs", ()):
        texts = [
            labels[row["method"]],
            row["phase"],
            f"{row['env steps a run']:,}",
            f"{row['updates a run']:,}",
        ]
        yield f"costs of {row['method']}, {row['phase']}", [*texts, number(row["device s a run"])]


def against_page(report: Mapping[str, Any], page: str) -> list[str]:
    """Returns which rows the page lacks: all of a row's texts must stand in one row, in their order."""
    parser = Tables()
    parser.feed(page)
    rows: list[list[str]] = []
    heading = ""
    for row in ([text for cell in row for text in cell] for row in parser.rows):
        if len(row) == 1:
            heading = row[0]  # of the rows below it, as a number of demonstrations
        elif row:
            rows += [row, [f"{row[0]}, {heading}", *row[1:]]]
    today, before = expected(report), expected(report, early=True)
    both = [(what, (texts, early)) for (what, texts), (_, early) in zip(today, before, strict=True)]
    return [what for what, ways in both if not any(_within(texts, row) for texts in ways for row in rows)]


def _within(texts: list[str], row: list[str]) -> bool:
    left = iter(row)
    return all(any(text == other for other in left) for text in texts)
