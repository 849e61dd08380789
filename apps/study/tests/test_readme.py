"""The README's example runs, as a script of a user's own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import study


def test_the_example_of_the_readme_runs(tmp_path):
    text = (Path(__file__).parent.parent / "README.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    (tmp_path / "mine.py").write_text(example)
    env = {**os.environ, "TMPDIR": str(tmp_path), "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}
    command = [sys.executable, "mine.py"]
    run = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=400)
    assert run.returncode == 0, run.stderr
    assert [line for line in run.stdout.splitlines() if line in ("True", "False")] == ["True", "True"]


def test_the_readmes_table_has_every_module_and_no_other():
    text = (Path(__file__).parent.parent / "README.md").read_text()
    rows = re.findall(r"^\| (`[^|]*) \|", text.partition("| module | what |")[2], re.MULTILINE)
    named = {name.rstrip("/") for row in rows for name in re.findall(r"`([^`]*)`", row)}
    source = Path(study.__file__).parent
    there = [*source.glob("[a-z]*.py"), *(init.parent for init in source.glob("[a-z]*/__init__.py"))]
    assert named == {path.name for path in there}
