"""Results that must stay as they are: job keys, and hashes of tables and weights, of tiny studies.

A changed key throws away every user's finished jobs; a changed hash under the same key mixes two results. If
a change of results is meant, raise the version of what computes them, run `golden.py --write` and commit
both; otherwise undo what changed them.
"""

from __future__ import annotations

import json
import runpy
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
    assert output_of("--keys") == GOLDEN["jobs"]


@pytest.mark.e2e  # in the environment of the lock alone: another torch may round otherwise
def test_results_are_what_they_were() -> None:
    found = output_of()
    assert found["torch"] == GOLDEN["torch"], "another torch: run golden.py --write with it, and compare"
    known = GOLDEN["hashes"].get(found["cpu"], {})
    unknown = []
    for study, jobs in found["jobs"].items():
        for job, hashes in jobs.items():
            if job in known.get(study, {}):
                assert hashes == known[study][job], f"{study}: {job}"
            else:
                unknown.append(f"{study}: {job}")
    if unknown:
        pytest.skip(
            f"no hashes of a CPU of {found['cpu']} for {len(unknown)} jobs such as {unknown[0]}: where "
            "nothing changed them, golden.py --write adds them"
        )


def test_hashes_of_another_vendor_stay_while_their_keys_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(SCRIPT.parent)
    beside_others = runpy.run_path(str(SCRIPT))["beside_others"]
    known = {"torch": "2", "jobs": {}, "hashes": {"A": {"toy": {"old 1": {"x": "a"}, "kept 2": {"x": "b"}}}}}
    found = {"torch": "2", "cpu": "B", "jobs": {"toy": {"kept 2": {"x": "c"}, "new 3": {"x": "d"}}}}
    written = beside_others(found, known)
    assert written["jobs"] == {"toy": ["kept 2", "new 3"]}
    assert written["hashes"] == {"A": {"toy": {"kept 2": {"x": "b"}}}, "B": found["jobs"]}
    assert beside_others({**found, "torch": "3"}, known)["hashes"] == {"B": found["jobs"]}
