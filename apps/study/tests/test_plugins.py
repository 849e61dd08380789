"""Benchmarks, methods, learners, measures and claims of a user's own: the very files of docs/plugins.md."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from study import plugins
from study.config import StudyConfig
from study.errors import StudyError
from study.identity import source_hash, version_of
from study.plan import make_plan
from study.registry import Measure, MethodKind, register, registered

PAGES = [folder / "plugins.md" for folder in (Path(__file__).parents[1], Path(__file__).parents[3] / "docs")]
PAGE = next(path for path in PAGES if path.is_file())
FILES = dict(re.findall(r"^`(\w+\.py)`\n\n```python\n(.*?)^```$", PAGE.read_text(), flags=re.S | re.M))
ENV = {**os.environ, "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}
TINY = "--seeds 1 --pretrain-env-steps 512 --adapt-env-steps 256 --no-tracking"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def study(folder: Path, line: str, *start: str) -> subprocess.CompletedProcess[str]:
    command = [*(start or (sys.executable, "-m", "study")), *line.split()]
    return subprocess.run(command, cwd=folder, env=ENV, capture_output=True, text=True, timeout=500)


def methods_of(root: Path) -> set[str]:
    return set(pl.read_parquet(root / "results.parquet")["method"])


def test_the_page_has_all_files() -> None:
    names = {"poles.py", "near.py", "reinforce.py", "reinforce_study.py", "worst.py"}
    assert FILES.keys() == names


def test_a_family_a_method_a_measure_and_a_claim_of_ones_own_in_one_study(folder: Path) -> None:
    line = (
        "--plugin poles.py --plugin near.py --plugin worst.py --benchmark poles --held-out 8 --workers 1 "
        f"--methods scratch multitask reptile near {TINY} --output out"
    )
    done = study(folder, line)
    assert done.returncode == 0, done.stdout + done.stderr
    root = folder / "out"
    assert methods_of(root) == {"random", "scratch", "multitask", "reptile", "near"}
    kinds = [json.loads(path.read_text())["spec"] for path in root.glob("jobs/*/job.json")]
    assert sum(spec["kind"] == "pretrain" for spec in kinds) == 2  # near shares multi-task's
    assert sum(spec.get("measure") == "worst" for spec in kinds) == 4
    page = (root / "report" / "report.html").read_text()
    assert "Multi-task, held near" in page
    assert "Pretraining helps the worst episode." in page
    recorded = json.loads((root / "study.json").read_text())["plugins"]
    assert recorded.keys() == {"poles.py", "near.py", "worst.py"}


def test_a_method_of_ones_own_on_a_built_in_benchmark_without_running_others_again(folder: Path) -> None:
    same = (
        f"--benchmark toy --preset quick --game visible-catch --held-out 20 --workers 0 {TINY} --output out"
    )
    assert study(folder, f"{same} --methods multitask").returncode == 0
    before = {path.name for path in (folder / "out" / "jobs").iterdir()}
    done = study(folder, f"--plugin near.py {same} --methods multitask near")
    assert done.returncode == 0, done.stdout + done.stderr
    after = {path.name for path in (folder / "out" / "jobs").iterdir()}
    assert before < after
    assert len(after - before) == 1  # near's own adaptation
    assert methods_of(folder / "out") == {"random", "multitask", "near"}


def test_a_learner_of_ones_own_and_a_study_made_in_python(folder: Path) -> None:
    short = FILES["reinforce_study.py"].replace(
        "    config = replace(\n        QUICK,",
        "    quick = replace(QUICK, seeds=1, held_out=(8,))\n    config = replace(\n        quick,",
    )
    (folder / "reinforce_study.py").write_text(short)
    done = study(folder, "", sys.executable, "reinforce_study.py")
    assert done.returncode == 0, done.stdout + done.stderr
    assert methods_of(folder / "reinforce-study") == {"random", "scratch", "multitask", "reptile"}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("--plugin nowhere.py --benchmark toy", "--plugin nowhere.py: there is no such file"),
        ("--plugin nowhere --benchmark toy", "the plug-in nowhere cannot be loaded: ModuleNotFoundError"),
        ("--plugin broken.py --benchmark toy", "broken.py cannot be loaded: ZeroDivisionError"),
        ("--plugin poles.py --benchmark pole", "unknown benchmark 'pole'; did you mean 'poles'?"),
        ("--plugin near.py --benchmark toy --methods nera", "unknown method 'nera'; did you mean 'near'?"),
        ("--plugin poles.py --benchmark poles --held-out 12", "the tasks are poles/cart/0 to poles/cart/9"),
    ],
)
def test_what_is_wrong_with_a_plug_in_is_one_sentence(folder: Path, line: str, words: str) -> None:
    (folder / "broken.py").write_text("1 / 0\n")
    done = study(folder, f"{line} --output out")
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (folder / "out").exists()


def test_help_lists_what_plug_ins_bring(folder: Path) -> None:
    shown = study(folder, "--plugin poles.py --plugin near.py --help")
    assert shown.returncode == 0
    assert "benchmarks: poles" in shown.stdout
    assert "methods: near" in shown.stdout


@pytest.mark.parametrize("name", ["a:b", "a+b", "a@b", "a b", "a/b", ""])
def test_names_that_would_be_read_as_something_else_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be the name of a measure"):
        register(Measure(name=name))


def test_a_name_that_is_taken_is_refused() -> None:
    with pytest.raises(ValueError, match="there is a method 'multitask' already"):
        register(registered().methods["multitask"])
    with pytest.raises(TypeError, match="takes records"):
        register("multitask")  # type: ignore[arg-type]


def test_without_a_version_the_source_is_the_version(tmp_path: Path) -> None:
    def load(text: str) -> object:
        path = tmp_path / "mine.py"
        path.write_text(text)
        source_hash.cache_clear()
        module = sys.modules[plugins._import_file(path)]
        return version_of(module.play)

    first = load('"""One."""\ndef play(agent, context):\n    return []\n')
    assert (
        load('"""Two."""\n\n\ndef play(agent, context):  # a comment\n    """Three."""\n    return []\n')
        == first
    )
    assert load("def play(agent, context):\n    return [1]\n") != first


def test_a_version_that_is_inherited_is_not_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "from fvm_meta import MultiTask\n\nclass A(MultiTask):\n    pass\n\nclass B(A):\n    version = 3\n"
    )
    module = sys.modules[plugins._import_file(path)]
    assert str(version_of(module.A)).endswith("+1")
    assert version_of(module.B) == 3


def test_a_plug_in_of_an_unknown_name_says_what_there_is() -> None:
    with pytest.raises(StudyError, match="there is no such file"):
        plugins.load(["./no/such.py"])


def test_a_measure_of_a_plug_in_adds_jobs_and_changes_none(small: StudyConfig) -> None:
    before = {job.key for job in make_plan(small).jobs}
    measure = Measure(name="tried", version=1, play=lambda agent, context: [])
    registered().measures["tried"] = measure
    try:
        after = {job.key for job in make_plan(small).jobs}
    finally:
        del registered().measures["tried"]
    assert before < after
    assert isinstance(registered().methods["multitask"], MethodKind)
