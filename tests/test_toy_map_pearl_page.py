"""The page of PEARL's table says what its report and its tuning say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

RESULTS = Path(__file__).parent.parent / "docs" / "results"
PAGE = RESULTS / "toy-map-pearl"


def test_the_tables_are_the_reports() -> None:
    rows: list[str] = []
    families = ("hidden-long-catch", "visible-long-catch")
    for folder in (*families, *(f"tuning/{family}" for family in families)):
        command = [sys.executable, str(RESULTS / "tables.py"), str(PAGE / folder)]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        rows += [line for line in printed.splitlines() if line.startswith("|")]
    parts = [line for line in rows if line.startswith("| T6")]
    page = (PAGE / "README.md").read_text(encoding="utf-8")
    assert [line for line in rows if line not in parts and line not in page] == []
    above = [line for line in parts if " -" not in line.split("|")[4].partition("[")[0]]
    assert (len(parts), len(above)) == (24, 8)
    assert f"above at {len(above)} and below at {len(parts) - len(above)}" in page
