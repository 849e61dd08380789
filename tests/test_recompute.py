"""A shipped study's numbers come out again from its parquet file, without fvm."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).parents[1]


def test_the_shipped_page_s_numbers_come_out_again(tmp_path):
    script = ROOT / "docs" / "recompute" / "procgen_small.py"
    assert "fvm_" not in script.read_text()
    done = subprocess.run(
        [sys.executable, script], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    assert done.stdout.count("ok ") == 27
