"""The README's example runs, as a script of a user's own."""

import os
import re
import subprocess
import sys
from pathlib import Path


def test_the_example_of_the_readme_runs(tmp_path):
    text = (Path(__file__).parent.parent / "README.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    (tmp_path / "mine.py").write_text(example)
    env = {**os.environ, "TMPDIR": str(tmp_path), "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}
    command = [sys.executable, "mine.py"]
    run = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=400)
    assert run.returncode == 0, run.stderr
    assert [line for line in run.stdout.splitlines() if line in ("True", "False")] == ["True", "True"]
