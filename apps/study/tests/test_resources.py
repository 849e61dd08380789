"""Devices and workers: what is shared, what fits, and what is refused."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from study.command_line.arguments import Arguments
from study.engines.processes import least_used
from study.engines.ray_workers import check_answers
from study.errors import StudyError
from study.jobs.environments import threads_of
from study.machine.devices import choose_devices
from study.machine.resources import workers_of, workers_on_gpus
from study.plan import Plan


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)


def test_workers_share_devices_evenly_also_when_one_has_died() -> None:
    pool: list[str] = []
    for _ in range(5):
        pool.append(least_used(("cuda:0", "cuda:1"), pool))
    assert Counter(pool) == {"cuda:0": 3, "cuda:1": 2}
    pool.remove("cuda:1")
    assert least_used(("cuda:0", "cuda:1"), pool) == "cuda:1"


def test_as_many_workers_as_the_fullest_gpu_holds() -> None:
    assert workers_on_gpus([80 * 10**9], 20 * 10**9, most=16) == 3  # nine tenths of 80 GB
    assert workers_on_gpus([80 * 10**9, 45 * 10**9], 20 * 10**9, most=16) == 4  # two on each
    assert workers_on_gpus([80 * 10**9] * 2, 10**9, most=6) == 6  # three cores for each
    assert workers_on_gpus([10**9], 20 * 10**9, most=16) == 1  # it is tried, and says what it lacks


def test_no_workers_at_all_are_no_answer_to_an_engine_that_starts_them_elsewhere() -> None:
    arguments = Arguments(benchmark="toy", engine="ray", workers=0)
    with pytest.raises(
        StudyError, match="--engine ray starts workers elsewhere, and --workers 0 asks for none"
    ):
        workers_of(arguments, "cpu", Plan(jobs=(), folds={}))


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "[::1]:1", "127.0.0.1:99999"])
def test_an_address_where_nothing_listens_is_noticed_at_once(address: str) -> None:
    with pytest.raises((OSError, OverflowError)):
        check_answers(address)


@pytest.mark.parametrize("address", ["auto", "local", ""])
def test_what_is_no_address_is_left_to_ray(address: str) -> None:
    check_answers(address)


def test_devices_are_those_that_are_here(two_gpus: None) -> None:
    assert choose_devices(["cuda:0", "cuda:1"]) == ("cuda:0", "cuda:1")
    assert choose_devices(["auto"]) == ("cuda",)
    with pytest.raises(StudyError, match=r"--device cuda:0 cuda:0 names a device twice; --workers says"):
        choose_devices(["cuda:0", "cuda:0"])
    with pytest.raises(StudyError, match="mixes CPU and GPU"):
        choose_devices(["cpu", "cuda:0"])
    with pytest.raises(StudyError, match=r"'cuda:2' is not here \(2 CUDA GPUs found\)"):
        choose_devices(["cuda:0", "cuda:2"])
    with pytest.raises(StudyError, match="--device names none"):
        choose_devices([])


def test_threads_step_many_envs_beside_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("study.jobs.environments.cores", lambda: 16)
    assert threads_of("procgen", 256, "cuda:1") == {"num_threads": 4}
    assert threads_of("procgen", 256, "cpu") == threads_of("procgen", 64, "cuda") == {}
    assert threads_of("toy", 256, "cuda") == {}  # it has none
    monkeypatch.setattr("study.jobs.environments.cores", lambda: 2)
    assert threads_of("atari", 128, "cuda") == {"num_threads": 2}
