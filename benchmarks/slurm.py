"""Has a real Slurm of one node run a study's worker, preempt it, and queue it again; compares the results.

    OMP_NUM_THREADS=1 python benchmarks/slurm.py

Needs Debian's slurmctld, slurmd, slurm-client and munge, and to be root; nothing of them has to be configured
or running: all of it lives in a temporary folder and ends with the script. The worker is what `study slurm
FOLDER --submit` hands in. Once it trains, a job of a higher partition takes its only core: it has to save
within the grace time, and goes on when that job is over. Prints one JSON line.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

STUDY = (
    "--benchmark toy --preset quick --game catch --methods scratch multitask --seeds 1 --train-sizes 4 "
    "--held-out 84 --pretrain-env-steps 131072 --adapt-env-steps 4096 --no-tracking --plain "
    "--checkpoint-every-s 1000"
)
CONFIG = """
ClusterName=fvm
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={place}/munge.socket
CryptoType=crypto/munge
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
StateSaveLocation={place}/state
SlurmdSpoolDir={place}/spool
SlurmctldPidFile={place}/slurmctld.pid
SlurmdPidFile={place}/slurmd.pid
SlurmctldLogFile={place}/slurmctld.log
SlurmdLogFile={place}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
JobRequeue=1
KillWait=30
SchedulerType=sched/backfill
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs=1 RealMemory={memory_mb} State=UNKNOWN
PartitionName=low Nodes=ALL Default=YES PriorityTier=1 PreemptMode=REQUEUE GraceTime=60
PartitionName=high Nodes=ALL PriorityTier=10 PreemptMode=OFF
"""


class Slurm:
    """One node of Slurm in a folder; use as a context."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.env = {**os.environ, "SLURM_CONF": str(place / "slurm.conf"), "OMP_NUM_THREADS": "1"}
        self.daemons: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Slurm:
        for name in ("state", "spool"):
            (self.place / name).mkdir()
        key = self.place / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        self.place.chmod(0o711)
        config = CONFIG.format(
            place=self.place,
            host=socket.gethostname().partition(".")[0],
            ports=free_ports(2),
            memory_mb=psutil.virtual_memory().total >> 20,
        )
        (self.place / "slurm.conf").write_text(config)
        munge = [f"--{name}-file={self.place}/munge.{name}" for name in ("key", "pid", "seed", "log")]
        self.start("munged", "--foreground", "--force", f"--socket={self.place}/munge.socket", *munge)
        until(lambda: (self.place / "munge.socket").exists(), 30)
        self.start("slurmctld", "-D")
        self.start("slurmd", "-D", "-f", str(self.place / "slurm.conf"))
        until(lambda: "idle" in self.says("sinfo", "--noheader"), 120)
        return self

    def __exit__(self, *exception: object) -> None:
        with suppress(subprocess.SubprocessError):
            self.says("scancel", "--user=root")
        for daemon in reversed(self.daemons):
            daemon.terminate()
            daemon.wait(60)

    def start(self, *command: str) -> None:
        """Starts a daemon."""
        with open(self.place / f"{command[0]}.out", "wb") as log:
            self.daemons.append(subprocess.Popen(command, env=self.env, stdout=log, stderr=log))

    def says(self, *command: str, text: str = "") -> str:
        """Returns what a command of Slurm prints."""
        shown = subprocess.run(
            command,
            env=self.env,
            cwd=self.place,  # where sbatch leaves what a job prints
            input=text,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return shown.stdout + shown.stderr


def free_ports(number: int) -> list[int]:
    """Returns ports that nobody uses just now."""
    sockets = [socket.socket() for _ in range(number)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def until(holds: Callable[[], bool], within_s: float) -> float:
    """Waits until something holds; returns how long that took.

    Raises:
        TimeoutError: It did not come to hold in that time.
    """
    started = time.monotonic()
    while not holds():
        if time.monotonic() - started > within_s:
            raise TimeoutError(f"waited {within_s:.0f} s in vain")
        time.sleep(0.2)
    return time.monotonic() - started


def study(*words: str, env: dict[str, str], cwd: Path | None = None) -> subprocess.Popen[bytes]:
    """Starts the command `study`."""
    command = [sys.executable, "-m", "study", *words]
    return subprocess.Popen(command, env=env, cwd=cwd, stdout=subprocess.DEVNULL)


def sums(root: Path) -> dict[str, str]:
    """Returns the SHA-256 of every file that must not depend on who ran it."""
    files = [p for p in root.glob("jobs/*/*") if p.name not in ("costs.json", "manifest.json")]
    files.append(root / "results.parquet")
    return {str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def main() -> int:
    """Prints what came of it; returns 0 if the worker was preempted, saved, went on, and nothing changed."""
    with tempfile.TemporaryDirectory(prefix="slurm-", ignore_cleanup_errors=True) as name:
        place = Path(name)
        (place / "slurm").mkdir()
        with Slurm(place / "slurm") as slurm:
            version = slurm.says("sinfo", "--version").strip()
            root = place / "shared"
            driver = study(*STUDY.split(), "--output", str(root), "--engine", "folder", env=slurm.env)
            until((root / "plan.json").exists, 180)
            asked = ("--workers", "1", "--time", "0:20:00", "--memory", "2G", "--partition", "low")
            study("slurm", str(root), *asked, "--submit", env=slurm.env, cwd=place).wait()

            def progress() -> int:
                steps = [json.loads(p.read_text())["env_step"] for p in root.glob("running/*/progress.json")]
                return max(steps, default=0)

            until(lambda: progress() > 2048, 300)
            assert not list(root.glob("running/*/checkpoint.safetensors"))  # none by the clock
            slurm.says("sbatch", "--partition=high", text="#!/bin/bash\nsleep 20\n")
            saved_s = until(lambda: bool(list(root.glob("running/*/checkpoint.safetensors"))), 120)
            freed_s = until(lambda: not list(root.glob("running/*.lease")), 60)
            again_s = until(lambda: bool(list(root.glob("running/*.lease"))), 400)
            at = progress()
            restarts = slurm.says("scontrol", "--oneliner", "show", "job").count("Restarts=1")
            status = driver.wait(900)
        whole = place / "whole"
        study(*STUDY.split(), "--output", str(whole), "--workers", "0", env=slurm.env).wait()
        found = {
            "slurm": version,
            "preempted": restarts,
            "saved_s": round(saved_s, 1),
            "lease_free_s": round(saved_s + freed_s, 1),
            "again_s": round(again_s),
            "went_on_at_env_step": at,
            "same": sums(root) == sums(whole),
        }
        print(json.dumps(found))
        return int(status != 0 or restarts != 1 or not found["same"])


if __name__ == "__main__":
    sys.exit(main())
