"""What a study of some 10,000 jobs takes besides its jobs: seconds to plan, schedule and collect, and memory.

    uv run python benchmarks/growth.py [SEEDS] [FOLDER]

The jobs are not run: each files the results of one tiny run of its kind and method, under its own key. Each
step is timed in a process of its own, on what lies in the folder. A folder that is named is kept, and what
was filed there is not filed again.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
from fvm_learners import PPOConfig
from study.config import Evaluation, Phase, StudyConfig
from study.engines import Schedule, run_in_process
from study.engines.schedule import RunOptions
from study.folder.files import parse_table
from study.folder.job_record import short
from study.folder.store import Store
from study.plan import Job, make_plan
from study.presets import toy
from study.results.collect import collect

PPO = PPOConfig(num_steps=4, num_epochs=1, num_minibatches=2, network="minatar")


def config_of(seeds: int, tasks: int) -> StudyConfig:
    """Returns a study of three methods whose jobs take no time."""
    return replace(
        toy.QUICK,
        methods=("scratch", "multitask", "reptile"),
        seeds=seeds,
        train_sizes=(4,),
        family="toy/catch",
        env_options={},
        pool=(0, 60),
        validation=(),
        held_out=tuple(range(60, 60 + tasks)),
        pretrain=Phase(env_steps=256, num_envs=16, learner=PPO),
        adapt=Phase(env_steps=128, num_envs=16, learner=PPO),
        evaluation=Evaluation(snapshots=4, episodes=10, training_tasks=2, training_episodes=2, max_steps=20),
    )


def kind_of(job: Job) -> tuple[str, str]:
    """Returns what jobs share whose results look alike."""
    return job.kind, job.method


def templates(folder: Path) -> dict[tuple[str, str], tuple[dict[str, pl.DataFrame], dict[str, Any]]]:
    """Runs a tiny study; returns tables and notes of one job of each kind and method."""
    plan, store = make_plan(config_of(1, 1)), Store(folder)
    store.claim({}, {}, {})
    with closing(run_in_process(Schedule(plan.jobs, store), RunOptions("cpu", 1e9))) as events:
        failed = [event.message for event in events if event.what == "failed"]
    assert not failed, failed[0]
    found = {}
    for job in plan.jobs:
        names = [name for name in store.record(job).files if name.endswith(".parquet")]
        tables = {name.removesuffix(".parquet"): parse_table(store.read(job, name)) for name in names}
        notes = {"costs": store.note(job, "costs"), "manifest": store.manifest(job)}
        if "ledger.json" in store.record(job).files:
            notes["ledger"] = store.note(job, "ledger")
        found[kind_of(job)] = tables, notes
    store.close()
    return found


def file_all(store: Store, jobs: tuple[Job, ...], folder: Path) -> None:
    """Files results for all jobs."""
    made = templates(folder)
    for job in jobs:
        tables, notes = made[kind_of(job)]
        if "task" in job.spec:
            task = pl.lit(job.spec["task"])
            tables = {
                name: table.with_columns(task=task) if "task" in table.columns else table
                for name, table in tables.items()
            }
        store.finish(job, tables, notes, None)


def measured(what: str, seeds: int, root: Path) -> dict[str, float]:
    """Returns seconds and peak memory of one step, in a process of its own."""
    command = [sys.executable, __file__, "--step", what, str(seeds), str(root)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def step(what: str, seeds: int, root: Path) -> dict[str, float]:
    """Returns what one step takes here."""
    config = config_of(seeds, 25)
    before = peak_mb()
    started, cpu = time.perf_counter(), time.process_time()
    plan = make_plan(config)
    _ = [job.key for job in plan.jobs]
    if what == "plan":
        took = time.perf_counter() - started
        cpu = time.process_time() - cpu
    elif what == "schedule":
        started, cpu = time.perf_counter(), time.process_time()
        schedule = Schedule(plan.jobs, Store(root / "empty"))
        ready = 0
        while schedule.next() is not None:
            ready += 1
        assert ready >= seeds * 25  # scratch needs no parent
        took, cpu = time.perf_counter() - started, time.process_time() - cpu
    else:
        started, cpu = time.perf_counter(), time.process_time()
        collect(config, plan, Store(root / "study"), rerun="")
        took, cpu = time.perf_counter() - started, time.process_time() - cpu
    return {"jobs": len(plan.jobs), "s": took, "CPU s": cpu, "MB": peak_mb(), "MB of imports": before}


def peak_mb() -> float:
    """Returns the most memory that this process has had."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line[:6] == "VmHWM:"]
    return int(line.split()[1]) / 1024


def main(seeds: int, root: Path) -> None:
    """Prints a line a step."""
    for folder in ("study/jobs", "empty", "tiny"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    store = Store(root / "study")
    started, there = time.perf_counter(), store.finished()
    missing = tuple(job for job in make_plan(config_of(seeds, 25)).jobs if short(job.key) not in there)
    if missing:
        file_all(store, missing, root / "tiny")
        print(f"{len(missing)} jobs filed in {time.perf_counter() - started:.1f} s", flush=True)
    for what in ("plan", "schedule", "collect"):
        found = measured(what, seeds, root)
        print(what, {name: round(value, 2) for name, value in found.items()}, flush=True)


if __name__ == "__main__":
    if "--step" in sys.argv:
        *_, what, seeds, root = sys.argv
        print(json.dumps(step(what, int(seeds), Path(root))))
    else:
        seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 125
        with tempfile.TemporaryDirectory() as name:
            main(seeds, Path(sys.argv[2] if len(sys.argv) > 2 else name))
