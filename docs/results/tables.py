"""Prints a page's tables from the files beside it: parts of claims, scores, what a tuning's points reached.

    python docs/results/tables.py docs/results/toy-map-pearl/hidden-long-catch
    python docs/results/tables.py docs/results/toy-map-pearl/tuning/hidden-long-catch

`docs/recompute/recompute.py` finds a report's numbers again from the episodes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

RATE = ", rate "
MUST_BE = {"superiority": "> ", "no gain": "< ", "non-inferiority": "> -"}


def short(value: float) -> str:
    """Returns a number as the pages write it, .87 for 0.87."""
    text = f"{value:.2f}"
    return text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text


def with_limits(row: dict[str, Any], mean: str = "mean") -> str:
    """Returns a mean with its interval: of a score 95 %, of a claim the look's level."""
    limits = "" if row["low"] is None else f" [{short(row['low'])}, {short(row['high'])}]"
    return f"{short(row[mean])}{limits}"


def parts(report: dict[str, Any]) -> Iterator[str]:
    """Yields the table of claims, a part a row."""
    yield "| | part | must be | came | |"
    yield "|---|---|---|---|---|"
    for row in report["claims"]:
        if row["estimate"] is None:
            continue
        verdict = "shown" if row["passed"] else "contradicted" if row["contradicted"] else "open"
        came, must = with_limits(row, "estimate"), MUST_BE[row["kind"]] + short(row["margin"])
        yield f"| {row['claim']} | {row['part']} | {must} | {came} | {verdict} |"


def scores(report: dict[str, Any]) -> Iterator[str]:
    """Yields the table of scores, an arm and adaptation rate a row."""
    columns = {
        "Zero-shot (jump-start)": "at 0",
        "Area under the curve": "area",
        "Value at budget": f"at {report['budget']:,}",
    }
    yield f"| | rate | {' | '.join(columns.values())} |"
    yield f"|---|---|{'---|' * len(columns)}"
    found = {(row["method"], row["summary"]): row for row in report["summaries"]}
    for method in dict.fromkeys(row["method"] for row in report["summaries"]):
        arm, _, rate = report["labels"].get(method, method).partition(RATE)
        cells = [found.get((method, summary)) for summary in columns]
        shown = " | ".join("" if cell is None else with_limits(cell) for cell in cells)
        yield f"| {arm} | {rate} | {shown} |"


def tuned(folder: Path) -> Iterator[str]:
    """Yields the table of a tuning: means on validation tasks, an arm a row, its best point marked."""
    chosen = json.loads((folder / "tuned.json").read_text(encoding="utf-8"))["chosen"]
    yield "| | seeds | mean on validation tasks, by point |"
    yield "|---|---|---|"
    for (method,), points in pl.read_parquet(folder / "curves.parquet").group_by(
        "method", maintain_order=True
    ):
        shown = [
            f"**{short(mean)}**" if point == chosen[method] else short(mean)
            for point, mean in points.select("point", "mean").iter_rows()
        ]
        named = ", ".join(f"{point} {mean}" for point, mean in zip(points["point"], shown, strict=True))
        yield f"| {method} | {points['seeds'].min()} | {named} |"


def main(folder: Path) -> None:
    """Prints the tables of a study's page, or of a tuning."""
    if (folder / "curves.parquet").is_file():
        print("\n".join(tuned(folder)))
        return
    report = json.loads((folder / "report" / "report.json").read_text(encoding="utf-8"))
    print("\n".join(parts(report)), end="\n\n")
    print("\n".join(scores(report)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
