"""The page on lengths of pretraining: what it ships says what its scripts compute."""

from __future__ import annotations

import json
import lzma
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from study.command_line.cli import run
from study.folder.archive import import_study
from study.folder.cache import found_in
from study.plan import make_plan
from study.presets.toy import PRESETS, pretrained_for
from study.presets.toy_map import MAP
from study.tuning.tuned import with_tuned

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


def unpacked(times: float, folder: Path) -> Path:
    """Returns a folder with the shipped jobs of a length."""
    name = f"pretraining-{times:g}".replace("0.", ".")
    (folder / "study.tar").write_bytes(lzma.decompress((PAGE / f"{name}.tar.xz").read_bytes()))
    import_study(folder / "study.tar", folder / "second")
    return folder / "second"


@pytest.mark.parametrize("times", [0.125, 4.0])
def test_the_second_five_seeds_ship(times: float, tmp_path: Path) -> None:
    second = unpacked(times, tmp_path)
    config = replace(MAP, family="toy/hidden-catch")
    config = replace(config, **pretrained_for(config, times))
    tuned = with_tuned(config, PAGE.parent / "toy-map" / "tuning" / "hidden-catch")
    jobs = [job for job in make_plan(tuned).jobs if job.kind != "baseline"]
    here = found_in([second], jobs)
    assert {job.seed for job in jobs if job.key in here} == set(range(105, 110))
    assert {job.seed for job in jobs if job.key not in here} == set(range(100, 105))


@pytest.mark.parametrize(("first_seed", "seeds"), [(105, 5), (107, 3)])
def test_their_own_page_is_found_again(
    first_seed: int, seeds: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each seed drew its split: one of five shares no order with the others, no two of three do."""
    monkeypatch.setitem(PRESETS, "map", replace(MAP, first_seed=first_seed, seeds=seeds, looks=(seeds,)))
    hidden = [
        "--benchmark",
        "toy",
        "--preset",
        "map",
        "--set",
        "game=hidden-catch",
        "--set",
        "pretraining=.125",
    ]
    tuning = PAGE.parent / "toy-map" / "tuning" / "hidden-catch"
    places = ["--tuned", tuning, "--cache", unpacked(0.125, tmp_path), "--output", tmp_path / "study"]
    quiet = ["--no-tracking", "--plain", "--workers", "0"]
    assert run([*hidden, *map(str, places), *quiet]) == 0
    again = [sys.executable, PAGE.parents[1] / "recompute" / "recompute.py", tmp_path / "study"]
    done = subprocess.run(again, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert re.search(r"2,?\d{3} numbers recomputed, 0 different; 0 not on the page", done.stdout)
    report = json.loads((tmp_path / "study" / "report" / "report.json").read_text(encoding="utf-8"))
    assert report["redrawn_splits"] is True
    assert {row["checkpoints"] for row in report["summaries"]} == {seeds}
    assert all(row["low"] < row["high"] for row in report["summaries"])


def test_what_another_cpu_makes_of_the_same_jobs() -> None:
    run = ["method", "seed", "task"]
    there = pl.read_parquet(PAGE / "scratch-elsewhere.parquet")
    here = pl.read_parquet(PAGE / "runs.parquet").filter(pl.col("length") == "1")
    both = there.join(here, on=[*run, "env_step"])
    assert len(both) == len(there) == 80 * 7
    gap = pl.col("value_right") - pl.col("value")
    runs = both.sort("env_step").group_by(run).agg(same=(gap == 0).all(), last=gap.last())
    text = (PAGE / "README.md").read_text()
    assert f"{runs['same'].sum()} of the 80 have the same returns" in " ".join(text.split())
    assert f"by {runs['last'].abs().max():.2f} at most".replace("0.", ".") in text
    assert f"by {-runs['last'].mean():.4f} in the mean".replace("0.", ".", 1) in text


def test_the_number_of_parts_shown_is_said() -> None:
    page = json.loads((PAGE / "pretraining.json").read_text())
    text = (PAGE / "README.md").read_text()
    for one in page["predictions"]:
        shown = sum(part["passed"] for part in one["parts"])
        verdict = one["label"].partition(":")[0]
        row = rf"\| \**{one['id']} {verdict}\** \| {shown} of {len(one['parts'])} \|"
        assert re.search(row, text), row
