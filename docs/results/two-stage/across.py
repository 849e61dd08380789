"""What the cells say together: what plain fine-tuning loses of FAR by M and by what the stages share.

    python docs/results/two-stage/across.py

From the cells' parquet files: polars, numpy and scipy, nothing of fvm. Cells of one kind of picture begin
with the same teachers, so their differences are paired by pretraining; between two kinds of picture they are
Welch's. Prints each difference with 95 % t limits and holds it against `across.json` beside this file, or
writes that file (`--write`). Any difference ends it with status 1.
"""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "recompute"))
from retention import PLAIN, areas, by_seed, curves, difference, held_against, lost  # noqa: E402

BALLS = (1, 2, 4)
KINDS = {"0.75": "s75", "0": "s0"}


def of_cell(balls: int, kind: str) -> dict[str, dict[int, float]]:
    """Returns by quantity and seed what plain fine-tuning came to in a cell with the clean teacher."""
    cell = HERE / f"m{balls}-{kind}"
    far, episodes = (pl.read_parquet(cell / f"{name}.parquet") for name in ("far", "results"))
    return {
        "lost on FAR": by_seed(lost(far))[PLAIN],
        "AUC": by_seed(areas(curves(episodes).filter(method=PLAIN)))[PLAIN],
    }


def numbers() -> dict[str, list[float]]:
    """Returns all differences by what they are: mean and limits."""
    cells = {(balls, shared): of_cell(balls, kind) for balls in BALLS for shared, kind in KINDS.items()}
    found = {}
    for what in ("lost on FAR", "AUC"):
        for balls in BALLS:
            near, apart = (cells[balls, shared][what] for shared in KINDS)
            found[f"{what}, M = {balls}: shared 0.75 - 0"] = difference(near, apart, paired=False)
        for shared in KINDS:
            far_off, close_by = cells[4, shared][what], cells[1, shared][what]
            found[f"{what}, shared {shared}: M = 4 - 1"] = difference(far_off, close_by, paired=True)
    return found


if __name__ == "__main__":
    sys.exit(held_against(HERE / "across.json", numbers(), write="--write" in sys.argv))
