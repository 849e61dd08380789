"""The page of PEARL's table says what its report says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs" / "results" / "toy-map-pearl"


def test_the_tables_are_the_reports() -> None:
    command = [sys.executable, str(PAGE / "tables.py")]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    rows = [line for line in printed if line.startswith("|")]
    parts = [line for line in rows if line.startswith("| T6")]
    page = (PAGE / "README.md").read_text(encoding="utf-8")
    assert [line for line in rows if line not in parts and line not in page] == []
    above = [line for line in parts if " -" not in line.split("|")[4].partition("[")[0]]
    assert (len(parts), len(above)) == (24, 8)
    assert f"above at {len(above)} and below at {len(parts) - len(above)}" in page
