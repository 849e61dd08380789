"""Files whose checksums are right and whose contents are not: a sentence each, never a traceback."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from study.errors import StudyError
from study.folder.files import sha256_of
from study.folder.job_record import read_record, record_bytes
from study.folder.state_file import read_state, write_state
from study.folder.store import Store
from study.jobs.agents import restored
from study.jobs.job import run_job
from study.plan import Job, Plan


@pytest.fixture
def mine(small_done: tuple[Plan, Store], tmp_path: Path) -> tuple[Plan, Store]:
    shutil.copytree(small_done[1].root, tmp_path / "mine")
    return small_done[0], Store(tmp_path / "mine")


def without(state: dict[str, Any], *path: str) -> dict[str, Any]:
    """Returns a nested state without one of its values."""
    name, *rest = path
    if not rest:
        return {key: value for key, value in state.items() if key != name}
    return {**state, name: without(state[name], *rest)}


FORGERIES: list[Callable[[dict[str, Any]], dict[str, Any]]] = [
    lambda state: {},
    lambda state: {**state, "stream": None},
    lambda state: {**state, "stream": {}},
    lambda state: {**state, "stream": dict.fromkeys(state["stream"], 3)},
    lambda state: without(state, "stream", "learner"),
    lambda state: {**state, "rows": []},
    lambda state: {**state, "rows": {"episodes": [3]}},
    lambda state: {**state, "rows": {"episodes": [{"task": "x"}]}},
    lambda state: {**state, "spent": dict.fromkeys(state["spent"], "long")},
    lambda state: {**state, "spent": {name: float("nan") for name in state["spent"]}},
    lambda state: without(state, "ledger", "spent"),
    lambda state: {**state, "online": {"count": 3, "return_sum": 4, "length_sum": 5}},
    lambda state: {**state, "online": {"counts": np.zeros(100)}},
    lambda state: {**state, "met": ["x"]},
    lambda state: {**state, "metrics": {"count": {}, "total": {"loss": np.zeros(7)}}},
]


@pytest.fixture(scope="module")
def halfway(small_done: tuple[Plan, Store], tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Job]:
    """A job that was stopped after some iterations, with its checkpoint."""
    plan, _ = small_done
    store = Store(tmp_path_factory.mktemp("halfway"))
    (store.root / "jobs").mkdir()
    job = next(job for job in plan.jobs if job.method == "scratch")
    working = run_job(job, store, device="cpu", checkpoint_every_s=0.0)
    while not store.checkpoint(job).exists():
        next(working)
    working.close()
    return store, job


@pytest.mark.parametrize("forge", FORGERIES, ids=range(len(FORGERIES)))
def test_a_forged_checkpoint_with_a_right_digest_is_a_sentence(
    halfway: tuple[Store, Job], forge: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    store, job = halfway
    path = store.checkpoint(job)
    before = path.read_bytes()
    write_state(path, {**forge(read_state(path)), "job": job.key})
    try:
        with pytest.raises(
            StudyError, match=r"does not fit its job \(\w+.*delete this file and run the same"
        ):
            list(run_job(job, store, device="cpu", checkpoint_every_s=1e9))
    finally:
        path.write_bytes(before)


def test_forged_weights_with_right_sums_are_a_sentence(mine: tuple[Plan, Store]) -> None:
    plan, store = mine
    job = next(job for job in plan.jobs if job.kind == "pretrain")
    folder = store.folder(job)
    write_state(folder / "weights.safetensors", {"actor.weight": torch.zeros(3)})
    record = read_record(folder)
    sums = {**record.files, "weights.safetensors": sha256_of(folder / "weights.safetensors")}
    (folder / "job.json").write_bytes(record_bytes(replace(record, files=sums)))
    store.forget(job)
    with pytest.raises(StudyError, match=r"weights\.safetensors is damaged \(it does not fit: .*delete the"):
        restored(job, store, "cpu")
