"""Pages of results have the tables that `docs/results/tables.py` prints of what lies beside them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

RESULTS = Path(__file__).parent.parent / "docs" / "results"
PEARL = RESULTS / "toy-map-pearl" / "README.md"


def rows_of(folder: Path) -> list[str]:
    command = [sys.executable, str(RESULTS / "tables.py"), str(folder)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [line for line in printed.splitlines() if line.startswith("|")]


@pytest.mark.parametrize(
    "folder",
    [
        "toy-map-pearl/hidden-long-catch",
        "toy-map-pearl/visible-long-catch",
        "toy-map-pearl/tuning/hidden-long-catch",
        "toy-map-pearl/tuning/visible-long-catch",
        "rlbench-mujoco-small/tuning",
    ],
)
def test_the_page_has_every_row(folder: str) -> None:
    root = RESULTS / folder.partition("/")[0]
    page = root / "README.md"
    text = (page if page.is_file() else root / "predictions.md").read_text(encoding="utf-8")
    rows = [row for row in rows_of(RESULTS / folder) if not row.startswith("| T6")]  # 24 parts, counted below
    assert len(rows) > 2
    assert [row for row in rows if row not in text] == []


def test_the_parts_of_t6_are_counted() -> None:
    parts = [row for row in rows_of(PEARL.parent / "hidden-long-catch") if row.startswith("| T6")]
    above = [row for row in parts if " -" not in row.split("|")[4].partition("[")[0]]
    assert (len(parts), len(above)) == (24, 8)
    said = f"above at {len(above)} and below at {len(parts) - len(above)}"
    assert said in PEARL.read_text(encoding="utf-8")
