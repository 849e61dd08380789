"""The tuned Coinrun study: the rule, fixed beforehand, by which one of two Reptiles enters it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from study.presets.procgen import SMALL

SCRIPT = Path(__file__).parents[1] / "docs" / "results" / "procgen-small-tuned" / "methods.py"

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize(
    ("new", "former", "left_out"),
    [
        ((0.2, 0.5), (0.4, 0.45), "reptile"),
        ((0.5, 0.1), (0.5, 0.5), "reptile"),
        ((0.4,), (0.1, 0.41), "reptile-batch"),
    ],
)
def test_the_reptile_whose_best_point_is_lower_is_left_out(tmp_path, new, former, left_out):
    rows = [("scratch", 0.1), *(("reptile-batch", v) for v in new), *(("reptile", v) for v in former)]
    pl.DataFrame(rows, schema=["method", "mean"], orient="row").write_parquet(tmp_path / "curves.parquet")
    done = subprocess.run([sys.executable, SCRIPT, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [name for name in SMALL.methods if name != left_out]
