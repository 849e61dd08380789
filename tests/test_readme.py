"""The examples of the READMEs run."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
READMES = [
    ROOT / "README.md",
    *sorted(ROOT.glob("packages/*/README.md")),
    *sorted(ROOT.glob("apps/*/README.md")),
]


def examples(readme):
    """The Python blocks of a README, in order."""
    return re.findall(r"^```python\n(.*?)^```", readme.read_text(), flags=re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("position", range(len(examples(READMES[0]))))
def test_an_example_of_the_root_readme_runs(position, tmp_path):
    example = examples(READMES[0])[position]
    run = subprocess.run(
        [sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True, timeout=240
    )
    assert run.returncode == 0, run.stderr


def test_the_page_on_own_tasks_runs(tmp_path):
    example, _ = examples(ROOT / "docs" / "own-tasks.md")
    run = subprocess.run(
        [sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True, timeout=240
    )
    assert run.returncode == 0, run.stderr
    assert re.fullmatch(r"cartpole/length/31: \d+ episodes, mean return \d+\.\d\n", run.stdout), run.stdout


def test_an_own_family_is_a_benchmark_of_study(tmp_path):
    _, plugin = examples(ROOT / "docs" / "own-tasks.md")
    (tmp_path / "cartpole_lengths.py").write_text(plugin)
    command = ["study", "--plugin", "cartpole_lengths.py", "--benchmark", "cartpole", "--output", "out"]
    run = subprocess.run(
        [sys.executable, "-m", *command], cwd=tmp_path, capture_output=True, text=True, timeout=600
    )
    assert run.returncode == 0, run.stderr + run.stdout
    assert "Episode return on 2 held-out tasks" in run.stdout
    assert (tmp_path / "out" / "report" / "report.html").exists()


def test_the_page_on_gymnasium_runs(tmp_path):
    for example in examples(ROOT / "docs" / "gymnasium.md"):
        run = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", example],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("readme", READMES[1:], ids=lambda path: path.parent.name)
def test_a_package_with_examples_tests_them_itself(readme):
    if examples(readme):
        assert (readme.parent / "tests" / "test_readme.py").exists()


def test_the_root_readme_names_the_two_commands():
    text = READMES[0].read_text()
    assert "pip install uv && uv run study --benchmark procgen" in text
    assert "uv run nox" in text
