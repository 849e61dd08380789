"""Kills workers of one shared folder at random moments; counts what is lost, done twice or changed.

    python kills.py [--kills 100] [--seed 0] [--clock-s 120]

A tiny study is run whole by one worker, and then, as often as the kills take, by five that are killed and
started anew. They stand for four machines: a death on another machine is seen by its lease alone; clocks are
`--clock-s` ahead and behind, where Debian's `libfaketime` is installed, while the files' times are the file
server's; one of them sees what others wrote half a second late. Prints one JSON line. Workers are forked
from this process, which has imported all they need, so that a death costs no import.
"""

from __future__ import annotations

import argparse
import glob
import hashlib
import json
import os
import random
import select
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch._dynamo  # noqa: F401 (what the first optimiser imports)
from conftest import SMALL
from study.engines import worker  # noqa: F401 (imported before the fork)
from study.engines.processes import work
from study.engines.schedule import RunOptions
from study.folder import files, lease
from study.folder.plan_file import PlanFile, write_plan
from study.folder.store import Store
from study.plan import Plan, make_plan
from study.results.collect import collect

FAKETIME = (glob.glob("/usr/lib/*/faketime/libfaketime.so.1") or [""])[0]
# The clock of a process, and nothing else: neither how long things take, nor the times of files.
CLOCKED = {
    "LD_PRELOAD": FAKETIME,
    "FAKETIME": "+0",
    "FAKETIME_NO_CACHE": "1",
    "DONT_FAKE_MONOTONIC": "1",
    "NO_FAKE_STAT": "1",
    "FAKE_UTIME": "1",  # as the files' server has it: touching a file sets its clock
}
BEAT_S, STALE_S = 0.25, 4.0  # of leases, in place of 5 and 60
PAUSE_S = (0.1, 1.0)  # between two kills
OPTIONS = RunOptions("cpu", 0.0, max_losses=10**6)  # all kills may hit the same job
NOT_THE_SAME = ("costs.json", "manifest.json")  # times and hosts


@dataclass(frozen=True)
class Machine:
    """Where a worker believes it is.

    Attributes:
        host: Of the others' processes it sees none; empty for this host.
        ahead: Of its clock, in units of `--clock-s`.
        late_s: After which it sees the files of a job that others have finished.
    """

    host: str = ""
    ahead: int = 0
    late_s: float = 0.0


MACHINES = (Machine(), Machine(), Machine("b", ahead=1), Machine("c", ahead=-1), Machine("d", late_s=0.5))


def fork(task: Callable[[], None]) -> int:
    """Returns the id of a process that does a task, and ends."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        task()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def done_by_another(task: Callable[[], None]) -> None:
    """Has a process of its own do a task, so that this one stays as it is: one thread, fit to fork."""
    if os.waitpid(fork(task), 0)[1]:
        sys.exit("a process that was not killed failed")


def live(root: Path, machine: Machine, clock_s: int) -> None:
    """A worker's whole life on a machine."""
    os.environ["FAKETIME"] = f"{machine.ahead * clock_s:+d}"
    if machine.host:
        lease._place = lambda: machine.host  # type: ignore[assignment]
    if machine.late_s:
        see_late(machine.late_s)
    with open(root / "said", "ab", buffering=0) as said:
        probe = lease.now_at(root)
        said.write(f"clock {time.time() - probe:.0f}\n".encode())
        work(root, OPTIONS, threading.Event(), lambda text: said.write(f"{text}\n".encode()) and None, 60.0)


def see_late(late_s: float) -> None:
    """Lets this process see files of finished jobs only so long after it first asked for them."""
    first: dict[Path, float] = {}
    plainly = files.open_regular

    def late(path: Path):
        now = time.monotonic()
        if path.parent.parent.name == "jobs" and now - first.setdefault(path, now) < late_s:
            raise FileNotFoundError(2, "not seen yet", str(path))
        return plainly(path)

    files.open_regular = late


def sums(root: Path) -> dict[str, str]:
    """Returns the SHA-256 of every file that must not depend on who ran it."""
    found = [*root.glob("jobs/*/*"), root / "results.parquet"]
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in found
        if path.name not in NOT_THE_SAME
    }


def prepared(root: Path, plan: Plan) -> Store:
    """Returns a store that workers can take jobs from."""
    (root / "jobs").mkdir(parents=True)
    write_plan(root, PlanFile(jobs=plan.jobs, checkpoint_every_s=0.0))
    return Store(root)


def run_under_kills(store: Store, plan: Plan, kills: int, clock_s: int, rng: random.Random) -> int:
    """Runs a plan to its end while workers are killed and started anew; returns how many were killed."""
    pool: dict[int, Machine] = {}
    killed = 0
    while not all(store.done(job) for job in plan.jobs):
        while pool and (ended := os.waitpid(-1, os.WNOHANG)[0]):
            del pool[ended]
        for machine in MACHINES:
            while list(pool.values()).count(machine) < MACHINES.count(machine):
                pool[fork(lambda machine=machine: live(store.root, machine, clock_s))] = machine
        time.sleep(rng.uniform(*PAUSE_S))
        if killed < kills:
            os.kill(rng.choice(list(pool)), signal.SIGKILL)
            killed += 1
    for pid in pool:
        os.waitpid(pid, 0)
    return killed


def main() -> int:
    """Prints what the kills have done; returns 0 if nothing was lost, doubled or changed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--clock-s", type=int, default=120)
    asked = parser.parse_args()
    if FAKETIME:  # it refuses sleeps until a moment, as Python has them
        time.sleep = lambda seconds: select.select([], [], [], seconds) and None
    lease.BEAT_S, lease.STALE_S = BEAT_S, STALE_S
    rng, started = random.Random(asked.seed), time.monotonic()
    config = replace(SMALL, seeds=2)
    plan = make_plan(config)
    killed = rounds = lost = twice = changed = left_over = 0
    clocks: set[int] = set()
    with tempfile.TemporaryDirectory(prefix="kills-", ignore_cleanup_errors=True) as name:
        whole = prepared(Path(name) / "whole", plan)
        done_by_another(lambda: live(whole.root, Machine(), asked.clock_s))
        done_by_another(lambda: collect(config, plan, whole, rerun="") and None)
        reference = sums(whole.root)
        while killed < asked.kills:
            rounds += 1
            store = prepared(Path(name) / f"killed-{rounds}", plan)
            killed += run_under_kills(store, plan, asked.kills - killed, asked.clock_s, rng)
            done_by_another(lambda store=store: collect(config, plan, store, rerun="") and None)
            found = sums(store.root)
            lost += len({path.split("/")[1] for path in {*reference} - {*found} if "/" in path})
            changed += sum(reference.get(path) != digest for path, digest in found.items())
            said = (store.root / "said").read_text().splitlines()
            clocks |= {int(line.split()[1]) for line in said if line.startswith("clock ")}
            finished = [line for line in said if line.endswith(": finished")]
            twice += len(finished) - len(set(finished))
            left_over += len(list(store.root.glob("running/*.lease")))
    result = {
        "kills": killed,
        "rounds": rounds,
        "jobs": len(plan.jobs),
        "lost": lost,
        "doubled_or_changed": changed,
        "finished_twice": twice,
        "leases_left": left_over,
        "clocks_s": [min(clocks), max(clocks)],
        "seed": asked.seed,
        "wall_s": round(time.monotonic() - started),
    }
    print(json.dumps(result))
    return int(bool(lost or changed or left_over))


if __name__ == "__main__":
    if FAKETIME and "FAKETIME" not in os.environ:
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **CLOCKED})
    sys.exit(main())
