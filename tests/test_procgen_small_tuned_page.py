"""The tuned Coinrun study: which of two Reptiles entered it, and that the page says what its report says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from study.presets.procgen import SMALL

PAGE = Path(__file__).parents[1] / "docs" / "results" / "procgen-small-tuned"
SCRIPT = PAGE / "methods.py"

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


def test_the_tuning_chose_the_best_mean_of_the_runs_that_ship_and_by_it_the_former_reptile():
    runs = pl.read_parquet(PAGE / "tuning" / "responses.parquet")
    means = runs.group_by("method", "point").agg(pl.col("value").mean())
    chosen = json.loads((PAGE / "tuning" / "tuned.json").read_text())["chosen"]
    assert set(chosen) == set(means["method"])
    for method, point in chosen.items():
        mine = dict(means.filter(method=method).select("point", "value").iter_rows())
        assert mine[point] == pytest.approx(max(mine.values()))
    done = subprocess.run(
        [sys.executable, SCRIPT, PAGE / "tuning"], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [name for name in SMALL.methods if name != "reptile-batch"]


def test_the_pages_table_is_that_of_the_runs():
    runs = pl.read_parquet(PAGE / "tuning" / "responses.parquet")
    rows = re.findall(r"^\|(.*)\| (0\.0\d+) \|(.*)\|$", (PAGE / "README.md").read_text(), re.MULTILINE)
    arms = ["scratch", *(f"multitask{way}" for way in ("", ":gradient+bc", ":gradient+head-reset"))]
    arms = [arm for arm in (*arms, "reptile", "reptile-batch") for _ in range(3)]
    assert len(rows) == len(arms)
    for arm, (_, entropy, cells) in zip(arms, rows, strict=True):
        for rate, cell in zip((0.00013, 0.00025, 0.0005, 0.001, 0.002), cells.split("|"), strict=True):
            mine = runs.filter(method=arm, point=f"entropy {entropy} rate {rate:g}")
            assert float(cell.strip(" *")) == pytest.approx(mine["value"].mean(), abs=0.0051)


def test_every_interval_of_the_page_is_one_of_the_report():
    report = json.loads((PAGE / "report" / "report.json").read_text())
    number = r"[-−+]?\d*\.\d+"
    found = re.findall(rf"({number})(?:\*\*)? \[({number}), ({number})\]", (PAGE / "README.md").read_text())
    rows = [*report["summaries"], *report["differences"], *report["claims"]]
    known = []
    for row in rows:
        mean = row.get("mean", row.get("estimate"))
        if None not in (mean, row["low"]):
            shares = np.array([mean, row["low"], row["high"]])
            known += [shares, 5 + 5 * shares, np.exp(shares)]  # of the range, points of return, ratios
    assert len(found) > 25
    for each in found:
        printed = [float(one.replace("−", "-")) for one in each]
        assert np.abs(np.array(known) - printed).max(axis=1).min() < 0.0051, each
