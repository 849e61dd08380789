"""The page on Assault: its numbers from its files without fvm, and what it prints from those."""

import json
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "results" / "atari-plasticity"
TRIPLE = re.compile(r"(-?\d+) \[(-?\d+), (-?\d+)\]")


def test_every_number_is_found_again():
    done = subprocess.run(
        [sys.executable, PAGE / "recompute.py"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "256 numbers, 0 different" in done.stdout


def test_each_interval_on_the_page_is_one_of_them():
    known = json.loads((PAGE / "numbers.json").read_text()).values()
    rounded = {tuple(map(round, numbers)) for numbers in known}
    printed = [tuple(map(int, found)) for found in TRIPLE.findall((PAGE / "README.md").read_text())]
    assert len(printed) > 15
    assert [triple for triple in printed if triple not in rounded] == []
