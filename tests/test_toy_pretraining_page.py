"""The page on lengths of pretraining: what it ships says what its scripts compute."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

PAGE = Path(__file__).parents[1] / "docs" / "results" / "toy-pretraining"

pytestmark = pytest.mark.e2e


def recompute(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, PAGE / "recompute.py", folder]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_every_number_is_found_again_and_a_changed_run_is_noticed(tmp_path: Path) -> None:
    done = recompute(PAGE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(done.stdout.split()[0]) > 300
    for name in ("pretraining.json", "returns.parquet"):
        (tmp_path / name).write_bytes((PAGE / name).read_bytes())
    runs = pl.read_parquet(PAGE / "runs.parquet")
    one = (pl.col("method") == "rl2") & (pl.col("seed") == runs["seed"].min()) & (pl.col("length") == "4")
    halved = pl.when(one).then(pl.col("value") / 2).otherwise("value")
    runs.with_columns(value=halved).write_parquet(tmp_path / "runs.parquet")
    done = recompute(tmp_path)
    assert done.returncode == 1
    assert "DIFFERENT" in done.stdout


def test_the_pages_tables_are_those_of_its_files() -> None:
    done = subprocess.run([sys.executable, PAGE / "tables.py"], capture_output=True, text=True, check=True)
    rows = [line for line in done.stdout.splitlines() if line.startswith("|")]
    page = (PAGE / "README.md").read_text().splitlines()
    assert len(rows) >= 10
    assert [row for row in rows if row not in page] == []


def test_the_number_of_parts_shown_is_said() -> None:
    page = json.loads((PAGE / "pretraining.json").read_text())
    text = (PAGE / "README.md").read_text()
    for one in page["predictions"]:
        shown = sum(part["passed"] for part in one["parts"])
        assert f"{shown} of {len(one['parts'])}" in text
