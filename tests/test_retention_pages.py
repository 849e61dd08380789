"""The pages on retention: their numbers from their files without fvm, and what they print from those."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
PAGE = DOCS / "results" / "two-stage"
RECOMPUTE = DOCS / "recompute" / "retention.py"
CELLS = sorted(path.parent for path in PAGE.glob("*/numbers.json"))
MANIPULATION = DOCS / "results" / "rlbench-far"
TRIPLE = re.compile(r"(-?\d?\.\d{3}) \[(-?\d?\.\d{3}), (-?\d?\.\d{3})\]")


@pytest.mark.parametrize("cell", [*CELLS, MANIPULATION], ids=lambda path: path.name)
def test_every_number_is_found_again(cell):
    command = [sys.executable, RECOMPUTE, cell, *["--window", "30"] * (cell == MANIPULATION)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\d{3} numbers, 0 different", done.stdout)


def test_what_the_cells_say_together_is_found_again():
    command = [sys.executable, PAGE / "across.py"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "30 numbers, 0 different" in done.stdout


def test_a_changed_episode_is_noticed(tmp_path):
    import polars as pl

    for name in ("far", "terms"):
        (tmp_path / f"{name}.parquet").write_bytes((CELLS[0] / f"{name}.parquet").read_bytes())
    (tmp_path / "numbers.json").write_bytes((CELLS[0] / "numbers.json").read_bytes())
    table = pl.read_parquet(CELLS[0] / "results.parquet")
    first = (pl.col("method") == "scratch") & (pl.col("episode") == 0)
    table.with_columns(score=pl.when(first).then(1.0).otherwise("score")).write_parquet(
        tmp_path / "results.parquet"
    )
    command = [sys.executable, RECOMPUTE, tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "AUC: scratch" in done.stdout.splitlines()[-1]


def test_the_figure_of_bc_and_ks_has_every_clean_cell():
    spec = importlib.util.spec_from_file_location("figure", PAGE / "figure.py")
    figure = importlib.util.module_from_spec(spec)
    sys.modules["figure"] = figure
    spec.loader.exec_module(figure)
    clean = {cell.name for cell in CELLS if re.fullmatch(r"m\d-s\d+", cell.name)}
    assert {f"m{balls}-s{shared}" for shared, balls in figure.differences()} == clean
    axes = figure.draw(figure.DARK).axes[0]
    dots = [line.get_xdata()[0] for line in axes.lines if line.get_marker() == "o"]
    assert dots == [cell["AUC"][0] for cell in figure.differences().values()]
    assert [text.get_text() for text in axes.get_yticklabels()][:1] == ["M = 1, shared = 0.75"]


@pytest.mark.parametrize(
    ("page", "tables"),
    [
        (PAGE, [*(cell / "numbers.json" for cell in CELLS), PAGE / "across.json"]),
        (MANIPULATION, [MANIPULATION / "numbers.json"]),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_each_interval_on_a_page_is_one_of_them(page, tables):
    known = [json.loads(table.read_text()).values() for table in tables]
    rounded = {tuple(round(value, 3) + 0.0 for value in numbers) for cell in known for numbers in cell}
    rounded |= {(-mean, -high, -low) for mean, low, high in rounded}  # a difference the other way round
    cut = {(mean, max(low, 0.0), min(high, 1.0)) for mean, low, high in rounded}  # as a rate is printed
    printed = [tuple(map(float, found)) for found in TRIPLE.findall((page / "README.md").read_text())]
    assert len(printed) > 20
    assert [triple for triple in printed if triple not in rounded | cut] == []
