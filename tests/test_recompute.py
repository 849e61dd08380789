"""The shipped studies' numbers are found again without fvm, and a changed one is noticed."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results"
FOLDERS = sorted(path.parent for path in RESULTS.rglob("report.json"))
STUDIES = [folder.parent if folder.name == "report" else folder for folder in FOLDERS]

pytestmark = pytest.mark.e2e


def recompute(folder):
    command = [sys.executable, ROOT / "docs" / "recompute" / "recompute.py", folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not done.stderr, done.stderr
    return done


@pytest.mark.parametrize("study", STUDIES, ids=lambda path: str(path.relative_to(RESULTS)))
def test_every_number_of_a_shipped_report_is_found_again(study):
    done = recompute(study)
    assert done.returncode == 0, done.stdout
    assert re.search(r"\d{3} numbers recomputed, 0 different; 0 not on the page", done.stdout)


def test_there_are_studies_to_recompute():
    assert RESULTS / "procgen-small" in STUDIES
    assert len(STUDIES) >= 7


def test_a_changed_score_and_a_changed_page_are_noticed(tmp_path):
    shutil.copytree(RESULTS / "toy-pearl" / "hidden-long-catch", tmp_path / "study")
    page = tmp_path / "study" / "report.html"
    text = page.read_text(encoding="utf-8")
    page.write_text(re.sub(r"these \[0\.(\d)", r"these [0.9\1", text, count=1), encoding="utf-8")
    done = recompute(tmp_path / "study")
    assert (done.returncode, done.stdout.count("NOT ON THE PAGE")) == (1, 1)
    page.write_text(text, encoding="utf-8")
    path = tmp_path / "study" / "results.parquet"
    table = pl.read_parquet(path)
    last = (pl.col("method") == "pearl") & (pl.col("env_step") == table["env_step"].max())
    table.with_columns(
        score=pl.when(last & (pl.col("episode") == 0)).then(1.0).otherwise("score")
    ).write_parquet(path)
    done = recompute(tmp_path / "study")
    assert done.returncode == 1
    assert "DIFFERENT  Value at budget, pearl: mean" in done.stdout


@pytest.mark.parametrize("script", ["recompute.py", "retention.py"])
def test_a_folder_without_runs_is_named_in_one_sentence(script, tmp_path):
    command = [sys.executable, ROOT / "docs" / "recompute" / script, tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert last.endswith(f"{tmp_path} has no results.parquet; give the folder of a page that ships its runs")
