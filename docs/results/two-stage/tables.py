"""The page's tables over the cells with the clean teacher, as Markdown, from their `numbers.json` alone.

    python docs/results/two-stage/tables.py

A row an arm, a column a cell: the area under the adaptation curve, the score at the budget, what is lost on
FAR. Means with 95 % t limits over pretrainings, those of scores cut at 0 and 1.
"""

from __future__ import annotations

import json
from pathlib import Path

HERE = Path(__file__).parent
CELLS = {
    "M = 1, .75": "m1-s75",
    "2, .75": "m2-s75",
    "4, .75": "m4-s75",
    "1, 0": "m1-s0",
    "2, 0": "m2-s0",
    "4, 0": "m4-s0",
}
ARMS = {
    "scratch": "scratch",
    "plain fine-tuning": "multitask",
    "BC, 2": "multitask:gradient+bc",
    "KS, .5 decayed by .99": "multitask:gradient+ks",
    "EWC, 1": "multitask:gradient+ewc",
    "head reset": "multitask:gradient+head-reset",
}


def number(value: float) -> str:
    """Returns a share as in ".385", "-.012" and "1"."""
    return "0" if value == 0 else "1" if value == 1 else f"{value:.3f}".replace("0.", ".", 1)


def with_limits(numbers: list[float], *, of_scores: bool) -> str:
    """Returns a mean with its limits."""
    mean, low, high = numbers
    if of_scores:
        low, high = max(low, 0.0), min(high, 1.0)
    return f"{number(mean)} [{number(low)}, {number(high)}]"


def main() -> None:
    """Prints the tables."""
    cells = {title: json.loads((HERE / name / "numbers.json").read_text()) for title, name in CELLS.items()}
    for what in ("AUC", "at the budget", "lost on FAR"):
        print(f"\n| {what} | {' | '.join(cells)} |", "|---" * (len(cells) + 1) + "|", sep="\n")
        for label, arm in ARMS.items():
            keys = [f"two-stage/close-first/{name[1]} {what}: {arm}" for name in CELLS.values()]
            if keys[0] in next(iter(cells.values())):
                row = [
                    with_limits(cell[key], of_scores=what != "lost on FAR")
                    for cell, key in zip(cells.values(), keys, strict=True)
                ]
                print(f"| {label} | {' | '.join(row)} |")


if __name__ == "__main__":
    main()
