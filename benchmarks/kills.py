"""Kills workers of one shared folder at random moments, and counts lost and doubled jobs.

    python benchmarks/kills.py --kills 100 --workers 5

A tiny toy study is run whole in one process, then by workers of which one is killed every few moments. Prints
one JSON line: kills, lost and doubled jobs (0 and 0 are right), and whether tables and weights are the same.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import tyro

STUDY = (
    "--benchmark toy --preset quick --game catch --methods scratch multitask --seeds 2 --train-sizes 4 "
    "--held-out 84 87 --pretrain-env-steps 8192 --adapt-env-steps 4096 --no-tracking --plain "
    "--checkpoint-every-s 0"
)
ENV = {**os.environ, "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}


def study(*words: str) -> subprocess.Popen[bytes]:
    """Starts the command `study`."""
    return subprocess.Popen([sys.executable, "-m", "study", *words], env=ENV, stdout=subprocess.DEVNULL)


def sums(root: Path) -> dict[str, str]:
    """Returns the SHA-256 of every file that must not depend on who ran it."""
    files = [p for p in root.glob("jobs/*/*") if p.name not in ("costs.json", "manifest.json")]
    return {str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def main(kills: int = 5, workers: int = 5, within_s: tuple[float, float] = (1.0, 15.0), seed: int = 0) -> int:
    """Run the study under kills; exit 0 if nothing was lost or doubled."""
    rng, place = random.Random(seed), Path(tempfile.mkdtemp(prefix="kills-"))
    if study(*STUDY.split(), "--output", str(place / "whole"), "--workers", "0").wait():
        return 1
    driver = study(*STUDY.split(), "--output", str(place / "killed"), "--engine", "folder")
    plan = place / "killed" / "plan.json"
    while not plan.exists():
        time.sleep(0.1)
    pool: list[subprocess.Popen[bytes]] = []
    killed, started = 0, time.monotonic()
    while driver.poll() is None:
        pool = [worker for worker in pool if worker.poll() is None]
        while len(pool) < workers:
            pool.append(study("work", str(place / "killed")))
        time.sleep(rng.uniform(*within_s))
        if killed < kills and pool:
            rng.choice(pool).send_signal(signal.SIGKILL)
            killed += 1
    for worker in pool:
        worker.wait()
    a, b = sums(place / "whole"), sums(place / "killed")
    lost = {name.split("/")[1] for name in a} - {name.split("/")[1] for name in b}
    extra = {name.split("/")[1] for name in b} - {name.split("/")[1] for name in a}
    found = {"kills": killed, "lost": len(lost), "doubled": len(extra), "same": a == b}
    print(
        json.dumps(
            {**found, "jobs": len({name.split("/")[1] for name in a}), "s": round(time.monotonic() - started)}
        )
    )
    return int(a != b or bool(driver.returncode))


if __name__ == "__main__":
    sys.exit(tyro.cli(main))
