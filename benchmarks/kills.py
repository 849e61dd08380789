"""Kills workers of one shared folder at random moments, a hundred times; counts lost and doubled jobs.

    OMP_NUM_THREADS=1 python benchmarks/kills.py [--kills 100] [--seed 0] [--clock-s 120]

What it does, and what the line of JSON says, stands in `apps/study/tests/kills.py`, of which the tests run
five kills.
"""

import runpy
import sys
from pathlib import Path

TESTS = Path(__file__).parents[1] / "apps" / "study" / "tests"
sys.path.insert(0, str(TESTS))
runpy.run_path(str(TESTS / "kills.py"), run_name="__main__")
