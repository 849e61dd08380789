"""Tiny studies of every learner, paradigm, adaptation and benchmark: keys of their jobs, hashes of results.

    python golden.py                 prints keys and hashes as JSON
    python golden.py --keys          prints the keys alone; trains nothing
    python golden.py --write         writes them into golden.json, which the tests hold them against

It runs itself again in `ENVIRONMENT`, so that the numbers depend on the version of torch and on no CPU's
instruction set. They do depend on who made the CPU, most likely since MKL's square root, which is not rounded
correctly there, begins with an approximation that each vendor takes differently (`rsqrtps`). So hashes stand
by vendor, and `--write` leaves those of others to jobs whose keys are still the same.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import conftest  # this file runs as a script: its folder is on the path
import polars as pl
import torch
from study.config import Evaluation, Phase, Settings, StudyConfig
from study.engines import Schedule, run_in_process
from study.engines.schedule import RunOptions
from study.folder.state_file import read_state
from study.folder.store import Store
from study.plan import Job, make_plan
from study.presets import atari, procgen, rlbench, toy

ENVIRONMENT = {
    "ATEN_CPU_CAPABILITY": "default",
    "MKL_CBWR": "COMPATIBLE",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "OMP_NUM_THREADS": "1",
    "POLARS_MAX_THREADS": "1",
}
FILE = Path(__file__).with_name("golden.json")

PPO = conftest.PPO
RAINBOW = replace(conftest.RAINBOW, replay_capacity=512)
RECURRENT = {"recurrent": True, "lstm_size": 8}
TOY = replace(
    toy.QUICK,
    seeds=1,
    train_sizes=(4,),
    held_out=(20,),
    pretrain=Phase(env_steps=256, num_envs=16, learner=PPO),
    adapt=Phase(env_steps=128, num_envs=16, learner=PPO),
    evaluation=Evaluation(
        snapshots=2,
        episodes=4,
        training_tasks=2,
        training_episodes=2,
        max_steps=20,
        new_levels=2,
        lifetimes=4,
        trials=3,
    ),
    new_levels_from=22,
    settings={
        "rl2": Settings(config={"trials": 2}, learner=RECURRENT),
        "rl2-reset": Settings(learner=RECURRENT),
        "pearl": Settings(learner={"latent_size": 2, "context_next_obs": True}),
    },
)


def studies() -> dict[str, StudyConfig]:
    """Returns the studies by name; each takes some seconds."""
    ppo = (
        "scratch",
        "multitask",
        "multitask:none",
        "reptile",
        "reptile-printed",
        "reptile-authors",
        "reptile-rising",
        "reptile-batch",
        "rl2",
        "rl2:both",
        "rl2:gradient",
        "rl2:none",
        "rl2-reset",
    )
    rainbow = (
        "scratch",
        "multitask",
        "multitask:none",
        "multitask:encoder",
        "multitask:frozen",
        "reptile",
        "reptile:frozen",
        "pearl",
        "pearl:both",
        "pearl:none",
    )
    off_policy = replace(TOY.pretrain, learner=RAINBOW), replace(TOY.adapt, learner=RAINBOW)
    coinrun = replace(
        procgen.QUICK,
        methods=("scratch", "multitask"),
        seeds=1,
        train_sizes=(4,),
        held_out=procgen.QUICK.held_out[:1],
        pretrain=Phase(env_steps=128, num_envs=8, learner=replace(PPO, network="nature-small")),
        adapt=Phase(env_steps=64, num_envs=8, learner=replace(PPO, network="nature-small")),
        evaluation=replace(TOY.evaluation, max_steps=40),
        settings={},
    )
    small = replace(RAINBOW, encoder="data-efficient", frame_stack=4, replay_capacity=256, learn_start=16)
    games = replace(
        atari.QUICK,
        methods=("multitask",),
        seeds=1,
        train_sizes=(2,),
        held_out=("pong",),
        pretrain=Phase(env_steps=64, num_envs=2, learner=small, restart_every=32),
        adapt=Phase(env_steps=32, num_envs=2, learner=small, restart_every=32),
        evaluation=replace(TOY.evaluation, snapshots=1, episodes=2, max_steps=40, new_levels=0),
        settings={},
    )
    return {
        "toy ppo": replace(TOY, methods=ppo),
        "toy rainbow": replace(
            TOY, methods=rainbow, pretrain=off_policy[0], adapt=off_policy[1], reset_sigmas=True
        ),
        "procgen": coinrun,
        "atari": games,
        "rlbench": replace(
            rlbench.PLAYERS_PRESET,
            held_out=("lamp_on",),
            evaluation=replace(rlbench.PLAYERS_PRESET.evaluation, episodes=2),
        ),
    }


def hash_of(value: pl.DataFrame | dict[str, torch.Tensor]) -> str:
    """Returns the start of the SHA-256 of names, types, shapes and values, whatever the file's format."""
    digest = hashlib.sha256()
    if isinstance(value, pl.DataFrame):
        for name in sorted(value.columns):
            column = value[name]
            digest.update(json.dumps([name, str(column.dtype), column.to_list()]).encode())
    else:
        for name, tensor in sorted(value.items()):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def results_of(store: Store, job: Job) -> dict[str, str]:
    """Returns the hashes of a finished job's tables and weights, by file name."""
    folder = store.folder(job)
    found = {path.stem: hash_of(pl.read_parquet(path)) for path in sorted(folder.glob("*.parquet"))}
    for path in folder.glob("weights.safetensors"):
        found["weights"] = hash_of(read_state(path))
    return found


def name_of(job: Job) -> str:
    """Returns what a job is called in the file: its title and the start of its key."""
    return f"{job.title} {job.key[:16]}"


def vendor() -> str:
    """Returns who made this CPU, as in "GenuineIntel"; "unknown" where Linux does not say."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("vendor_id")), "unknown")


def keys() -> dict[str, list[str]]:
    """Returns the names of every study's jobs, in the plan's order."""
    return {name: [name_of(job) for job in make_plan(config).jobs] for name, config in studies().items()}


def run() -> dict[str, Any]:
    """Returns, by study and job, the hashes of what it leaves, and the torch and CPU that they are of."""
    found: dict[str, Any] = {"torch": torch.__version__.partition("+")[0], "cpu": vendor(), "jobs": {}}
    for name, config in studies().items():
        plan = make_plan(config)
        with tempfile.TemporaryDirectory() as folder:
            store = Store(Path(folder))
            store.claim({}, {}, {})
            with closing(run_in_process(Schedule(plan.jobs, store), RunOptions("cpu", 1e9))) as events:
                failed = [event.message for event in events if event.what == "failed"]
            assert not failed, failed[0]
            found["jobs"][name] = {name_of(job): results_of(store, job) for job in plan.jobs}
            store.close()
    return found


def beside_others(found: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    """Returns the file's content: names of all jobs by study, and hashes by vendor, study and job.

    Args:
        found: As `run` gives it.
        known: The file's content before.
    """
    names = {study: list(jobs) for study, jobs in found["jobs"].items()}
    others = known["hashes"] if known["torch"] == found["torch"] else {}
    hashes = {
        cpu: {
            study: {job: jobs[study][job] for job in names[study] if job in jobs.get(study, {})}
            for study in names
        }
        for cpu, jobs in others.items()
    }
    return {"torch": found["torch"], "jobs": names, "hashes": {**hashes, found["cpu"]: found["jobs"]}}


if __name__ == "__main__":
    if any(os.environ.get(name) != value for name, value in ENVIRONMENT.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **ENVIRONMENT})
    result: dict[str, Any] = keys() if "--keys" in sys.argv else run()
    if "--write" in sys.argv:
        result = beside_others(result, json.loads(FILE.read_text()))
        FILE.write_text(json.dumps(result, indent=1) + "\n")
    else:
        print(json.dumps(result, indent=1))
