"""The import contract holds, and would not hold if somebody broke it."""

import os
import shutil
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of all source, which is imported instead of the installed packages."""
    folder = tmp_path_factory.mktemp("workspace")
    for source in [*ROOT.glob("packages/*/src"), *ROOT.glob("apps/*/src")]:
        shutil.copytree(
            source, folder / "src", dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__")
        )
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def check_imports(folder):
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    environment = {**os.environ, "PYTHONPATH": str(folder / "src"), "NO_COLOR": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_the_contract_holds(copy):
    checked = check_imports(copy)
    assert checked.returncode == 0, checked.stdout
    assert "0 broken" in checked.stdout


@pytest.mark.parametrize(
    ("module", "statement", "broken"),
    [
        ("fvm_envs/task.py", "import torch", "fvm_envs needs numpy and gymnasium only"),
        ("fvm_envs/task.py", "from fvm_learners import PPO", "fvm_envs needs numpy and gymnasium only"),
        ("fvm_learners/ppo/gae.py", "import fvm_envs", "fvm_learners knows no other fvm package"),
        ("fvm_meta/scratch.py", "from fvm_eval import Budget", "fvm_meta builds on fvm_learners alone"),
        ("fvm_eval/table.py", "import gymnasium", "fvm_eval knows only ids, numbers and a table"),
        ("study/results/collect.py", "import mlflow", "only study.tracking.mlflow_sink imports mlflow"),
        ("study/plan.py", "from study import tracking", "workers know nothing of tracking"),
    ],
)
def test_a_planted_import_breaks_it(copy, module, statement, broken):
    planted = copy / "src" / module
    before = planted.read_text()
    planted.write_text(f"{before}\n{statement}\n")
    try:
        checked = check_imports(copy)
    finally:
        planted.write_text(before)
    assert checked.returncode == 1, checked.stdout
    assert f"{broken} BROKEN" in checked.stdout


@pytest.mark.parametrize("package", ["fvm_envs", "fvm_learners", "fvm_meta", "fvm_eval", "study"])
def test_no_modules_import_each_other_in_a_circle(package):
    imports = grimp.build_graph(package, exclude_type_checking_imports=True, cache_dir=None)
    below = {module: imports.find_modules_directly_imported_by(module) for module in imports.modules}
    TopologicalSorter(below).prepare()  # raises CycleError, which names the circle
