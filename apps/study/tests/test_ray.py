"""Ray starts workers: a cluster of two nodes on this machine, of which one is killed in the middle."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest
from study.command_line.cli import run
from study.engines import Schedule, run_in_processes
from study.engines.ray_workers import ENVIRONMENT
from study.engines.schedule import RunOptions
from study.folder.plan_file import PlanFile, write_plan
from study.folder.store import Store
from study.folder.under_way import UnderWay
from study.plan import Plan

os.environ.update(ENVIRONMENT)
ray = pytest.importorskip("ray", reason="an extra; the nox session `ray` has it")


@pytest.fixture
def cluster() -> Iterator[Any]:
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": 80_000_000}
    found = Cluster(initialize_head=True, head_node_args=head)
    try:
        yield found
    finally:
        ray.shutdown()
        found.shutdown()


def test_a_node_killed_in_the_middle_loses_nothing(
    cluster: Any,
    small_done: tuple[Plan, Store],
    same_results: Callable[[Path, Path], None],
    tmp_path: Path,
) -> None:
    plan, reference = small_done
    second = cluster.add_node(num_cpus=1, object_store_memory=80_000_000)
    raylet = second.all_processes["raylet"][0].process.pid
    (tmp_path / "jobs").mkdir()
    (tmp_path / "running").mkdir()
    store, under_way = Store(tmp_path), UnderWay(tmp_path)
    write_plan(store.root, PlanFile(jobs=plan.jobs))
    options = RunOptions("cpu", 0.0, engine="ray", ray_address=cluster.address, max_losses=10)
    hosts: set[int] = set()
    killed, what = False, []
    with closing(run_in_processes(Schedule(plan.jobs, store), options, workers=2)) as events:
        for event in events:
            what.append(event.what)
            for holder in under_way.held().values():
                pid = holder.get("pid", 0)
                parents = [p.pid for p in psutil.Process(pid).parents()] if psutil.pid_exists(pid) else []
                hosts.add(raylet if raylet in parents else 0)
                if raylet in parents and event.what == "progress" and not killed:
                    killed = True
                    cluster.remove_node(second, allow_graceful=False)
    assert hosts == {0, raylet}  # both nodes had jobs in hand
    assert killed
    assert what.count("finished") == len(plan.jobs)
    same_results(store.root, reference.root)


def test_a_driver_that_stops_has_its_workers_save(
    cluster: Any, small_done: tuple[Plan, Store], tmp_path: Path
) -> None:
    plan = small_done[0]
    job = next(job for job in plan.jobs if job.method == "scratch")
    (tmp_path / "jobs").mkdir()
    (tmp_path / "running").mkdir()
    store = Store(tmp_path)
    write_plan(store.root, PlanFile(jobs=(job,), checkpoint_every_s=1e9))
    options = RunOptions("cpu", 1e9, engine="ray", ray_address=cluster.address)
    events = run_in_processes(Schedule([job], store), options, workers=1)
    assert any(event.what == "progress" for event in events)
    events.close()
    assert store.load_checkpoint(job) is not None
    assert not list(tmp_path.glob("running/*.lease"))
    assert not list(tmp_path.glob("running/stop-*"))


def test_without_a_cluster_it_says_so(
    tiny: Callable[..., list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("--engine", "ray", "--ray-address", "127.0.0.1:1", "--workers", "1")
    assert run(tiny(tmp_path / "study", *asked)) == 2
    assert "no Ray cluster answers at --ray-address 127.0.0.1:1" in capsys.readouterr().err
