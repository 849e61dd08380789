"""Results that must stay as they are: job keys, and hashes of tables and weights, of tiny studies.

A changed key throws away every user's finished jobs; a changed hash under the same key mixes two results. If
a change of results is meant, raise the version of what computes them, run `golden.py --write` and commit
both; otherwise undo what changed them.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).with_name("golden.py")
GOLDEN: dict[str, Any] = json.loads(SCRIPT.with_name("golden.json").read_text())


def output_of(*arguments: str) -> dict[str, Any]:
    shown = subprocess.run(
        [sys.executable, str(SCRIPT), *arguments],
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert shown.returncode == 0, shown.stderr
    found: dict[str, Any] = json.loads(shown.stdout)
    return found


def test_keys_are_what_they_were() -> None:
    assert output_of("--keys") == {study: list(jobs) for study, jobs in GOLDEN["jobs"].items()}


@pytest.mark.e2e  # in the environment of the lock alone: another torch may round otherwise
def test_results_are_what_they_were() -> None:
    found = output_of()
    assert found["torch"] == GOLDEN["torch"], "another torch: run golden.py --write with it, and compare"
    for study, jobs in GOLDEN["jobs"].items():
        for job, hashes in jobs.items():
            assert found["jobs"][study][job] == hashes, f"{study}: {job}"
