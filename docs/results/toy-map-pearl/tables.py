"""Prints the tables of README.md from the reports beside it.

    python docs/results/toy-map-pearl/tables.py

`python docs/recompute/recompute.py docs/results/toy-map-pearl/FAMILY` finds the reports' numbers again from
the episodes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ARMS = {
    "scratch": "Scratch",
    "multitask:none": "Multi-task, zero-shot",
    "multitask": "Multi-task + fine-tuning",
    "multitask:gradient+head-reset": "Multi-task, heads redrawn",
    "pearl": "PEARL",
}
SUMMARIES = {"Zero-shot (jump-start)": "at 0", "Area under the curve": "area", "Value at budget": "at 1,024"}


def short(value: float) -> str:
    """Returns a number as the pages write it, .87 for 0.87."""
    text = f"{value:.2f}"
    return text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text


def with_limits(row: dict[str, Any], mean: str = "mean") -> str:
    """Returns a mean with its interval: of a score 95 %, of a claim the look's level."""
    limits = "" if row["low"] is None else f" [{short(row['low'])}, {short(row['high'])}]"
    return f"{short(row[mean])}{limits}"


def scores(report: dict[str, Any]) -> Iterator[str]:
    """Yields the rows of the table of scores: an arm and rate each."""
    yield f"| | rate | {' | '.join(SUMMARIES.values())} |"
    yield f"|---|---|{'---|' * len(SUMMARIES)}"
    found = {(row["method"], row["summary"]): row for row in report["summaries"]}
    for method in dict.fromkeys(row["method"] for row in report["summaries"]):
        arm, _, rate = method.partition(" rate ")
        cells = [found.get((method, summary)) for summary in SUMMARIES]
        shown = " | ".join("" if cell is None else with_limits(cell) for cell in cells)
        yield f"| {ARMS[arm.rstrip(',')]} | {rate} | {shown} |"


def parts(report: dict[str, Any]) -> Iterator[str]:
    """Yields the rows of the table of predictions: a part each."""
    yield "| | part | must be | came | |"
    yield "|---|---|---|---|---|"
    for row in report["claims"]:
        if row["estimate"] is None:
            continue
        what = {"superiority": "> ", "no gain": "< ", "non-inferiority": "> -"}[row["kind"]]
        verdict = "shown" if row["passed"] else "contradicted" if row["contradicted"] else "open"
        came = with_limits(row, "estimate")
        yield f"| {row['claim']} | {row['part']} | {what}{short(row['margin'])} | {came} | {verdict} |"


def main() -> None:
    """Prints the tables of each family that has a report."""
    for path in sorted(HERE.glob("*/report/report.json")):
        report = json.loads(path.read_text(encoding="utf-8"))
        print(f"## {path.parent.parent.name}\n")
        print("\n".join(parts(report)), end="\n\n")
        print("\n".join(scores(report)), end="\n\n")


if __name__ == "__main__":
    main()
