"""Jobs that are interrupted, killed or run elsewhere give the same bytes."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from study.config import StudyConfig
from study.engines import Event, Schedule, run_in_process, run_in_processes
from study.engines.processes import Processes
from study.engines.schedule import RunOptions
from study.errors import StudyError
from study.folder.plan_file import PlanFile, write_plan
from study.folder.store import Store
from study.jobs.job import run_job
from study.plan import Job, Plan, make_plan
from study.registry import registered
from study.results.collect import collect

EVERY_STEP = RunOptions("cpu", 0.0)  # a checkpoint after every iteration
NEVER = RunOptions("cpu", 1e9)
OFTEN_KILLED = RunOptions("cpu", 0.0, max_losses=10)  # all may hit the same job


@pytest.fixture
def store(tmp_path: Path) -> Store:
    (tmp_path / "jobs").mkdir()
    return Store(tmp_path)


def workers() -> list[psutil.Process]:
    """Returns the live worker processes of this one; the resource tracker is none."""
    mine = psutil.Process().children()
    return [child for child in mine if "spawn_main" in " ".join(child.cmdline())]


def in_processes(
    jobs: Sequence[Job], store: Store, options: RunOptions, workers: int
) -> Generator[Event, None, None]:
    """Runs a plan's missing jobs in worker processes."""
    write_plan(store.root, PlanFile(jobs=tuple(jobs), checkpoint_every_s=options.checkpoint_every_s))
    return run_in_processes(Schedule(jobs, store), options, workers)


@pytest.fixture(autouse=True)
def no_worker_is_left() -> object:
    yield
    assert workers() == []
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize(
    ("method", "recurrent", "pauses_at_least"),
    [
        ("multitask", False, 7),
        ("multitask", True, 7),
        ("multitask:none", False, 2),  # one each snapshot but the last
        ("reptile", False, 2),  # an outer step is three iterations
        ("rl2", True, 2),
        ("rl2:both", True, 7),
    ],
)
def test_a_job_stopped_at_every_iteration_gives_the_same_bytes(
    small: StudyConfig,
    run_plan: Callable[..., list[Event]],
    tmp_path: Path,
    method: str,
    recurrent: bool,
    pauses_at_least: int,
) -> None:
    ppo = replace(small.adapt.learner, recurrent=recurrent, lstm_size=16)
    short = replace(
        small,
        methods=(method,),
        held_out=(84,),
        pretrain=replace(small.pretrain, env_steps=256, learner=ppo),
        adapt=replace(small.adapt, env_steps=224, learner=ppo),  # the last rollout is shortened
    )
    whole, pieces = Store(tmp_path / "whole"), Store(tmp_path / "pieces")
    stop_at_every_iteration(make_plan(short), whole, pieces, run_plan, pauses_at_least)


@pytest.mark.parametrize("method", ["multitask", "reptile", "pearl", "pearl:both"])
def test_so_does_one_with_a_replay(
    small_rainbow: StudyConfig, run_plan: Callable[..., list[Event]], tmp_path: Path, method: str
) -> None:
    short = replace(
        small_rainbow,
        methods=(method,),
        held_out=(84,),
        pretrain=replace(small_rainbow.pretrain, env_steps=256),
        adapt=replace(small_rainbow.adapt, env_steps=224),
    )
    whole, pieces = Store(tmp_path / "whole"), Store(tmp_path / "pieces")
    stop_at_every_iteration(make_plan(short), whole, pieces, run_plan, 6)


def test_so_does_one_whose_envs_can_be_saved_at_restarts_only(
    small_rainbow: StudyConfig, run_plan: Callable[..., list[Event]], tmp_path: Path
) -> None:
    short = replace(
        small_rainbow,
        methods=("multitask",),
        held_out=(84,),
        pretrain=replace(small_rainbow.pretrain, env_steps=256, restart_every=64),
        adapt=replace(small_rainbow.adapt, env_steps=224, restart_every=64),
    )
    whole, pieces = Store(tmp_path / "whole"), Store(tmp_path / "pieces")
    # Stopped after three iterations of 32 env steps, it goes on from the end of the second.
    stop_at_every_iteration(make_plan(short), whole, pieces, run_plan, 2, iterations=3)


def stop_at_every_iteration(
    plan: Plan,
    whole: Store,
    pieces: Store,
    run_plan: Callable[..., list[Event]],
    pauses_at_least: int,
    iterations: int = 1,
) -> None:
    """Runs a plan in one go and in pieces of so many iterations, and compares what is left of both."""
    run_plan(plan, whole)
    (pieces.root / "jobs").mkdir(parents=True)
    for job in plan.jobs:
        pauses = 0
        while not pieces.done(job):
            with closing(run_job(job, pieces, device="cpu", checkpoint_every_s=1e9)) as running:
                if all(next(running, None) is not None for _ in range(iterations)):
                    pauses += 1
        if job.budget_env_steps:
            assert pauses >= pauses_at_least
    for job in plan.jobs:
        for path in whole.folder(job).iterdir():
            if path.name not in ("costs.json", "manifest.json"):
                assert path.read_bytes() == (pieces.folder(job) / path.name).read_bytes(), (
                    job.title,
                    path.name,
                )
        for count in ("env_steps", "updates", "episodes"):
            assert whole.note(job, "costs").get(count) == pieces.note(job, "costs").get(count)


def test_two_worker_processes_give_the_same_bytes_as_this_one(
    small: StudyConfig,
    small_done: tuple[Plan, Store],
    same_results: Callable[[Path, Path], None],
    store: Store,
) -> None:
    plan, reference = small_done
    with closing(in_processes(plan.jobs, store, EVERY_STEP, workers=2)) as running:
        events = list(running)
    started = [event.job.key for event in events if event.what == "started"]
    finished = [event.job.key for event in events if event.what == "finished"]
    assert sorted(started) == sorted(finished) == sorted(job.key for job in plan.jobs)
    for job in plan.jobs:
        if job.parent is not None:
            assert events.index(Event(what="finished", job=job.parent)) < events.index(
                Event(what="started", job=job)
            )
    collect(small, plan, store, rerun="")
    assert (store.root / "results.parquet").exists()
    same_results(store.root, reference.root)


# A paradigm that the study offers is killed here, whoever adds it.
@pytest.mark.parametrize(
    "method", [*(name for name, kind in registered().methods.items() if not kind.variant_of), "rl2:both"]
)
def test_a_worker_killed_at_three_random_moments_loses_nothing(
    small: StudyConfig,
    small_rainbow: StudyConfig,
    run_plan: Callable[..., list[Event]],
    store: Store,
    tmp_path: Path,
    method: str,
) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"moments drawn with seed {seed}")  # shown if the test fails
    rng = random.Random(seed)
    config = replace(small_rainbow if method == "pearl" else small, methods=(method,))
    if method == "reptile":  # as many outer steps as the others have iterations
        config = replace(config, pretrain=replace(config.pretrain, env_steps=3 * config.pretrain.env_steps))
    plan = make_plan(config)
    reference = Store(tmp_path / "reference")
    run_plan(plan, reference)
    collect(config, plan, reference, rerun="")

    killed: list[int] = []
    over = threading.Event()

    def kill_now_and_then() -> None:
        while len(killed) < 3 and not over.wait(rng.uniform(0.0, 2.0)):
            for worker in workers()[:1]:  # while it starts, trains, evaluates or writes
                with suppress(psutil.NoSuchProcess):
                    worker.send_signal(signal.SIGKILL)
                    killed.append(worker.pid)

    killer = threading.Thread(target=kill_now_and_then)
    killer.start()
    try:
        with closing(in_processes(plan.jobs, store, OFTEN_KILLED, workers=2)) as events:
            failed = [event.message for event in events if event.what == "failed"]
    finally:
        over.set()
        killer.join()
    assert failed == []
    assert killed
    assert all(store.done(job) for job in plan.jobs)
    collect(config, plan, store, rerun="")
    for job in plan.jobs:
        for path in reference.folder(job).iterdir():
            if path.name not in ("costs.json", "manifest.json"):
                assert path.read_bytes() == (store.folder(job) / path.name).read_bytes(), (
                    job.title,
                    path.name,
                )
    assert (store.root / "results.parquet").read_bytes() == (reference.root / "results.parquet").read_bytes()


def test_a_job_that_loses_its_worker_too_often_fails_without_its_children(
    small: StudyConfig, store: Store
) -> None:
    plan = make_plan(replace(small, methods=("multitask",)))
    once = RunOptions("cpu", 0.0, max_losses=1)
    with closing(in_processes(plan.jobs[2:], store, once, workers=1)) as events:
        what: list[Event] = []
        for event in events:
            what.append(event)
            if event.what == "progress":
                for worker in workers():
                    worker.kill()
    assert what[-1].what == "failed"
    assert "its process ended 1 times: the last was killed by SIGKILL" in what[-1].message
    assert not what[-1].mendable
    assert {event.job.kind for event in what} == {"pretrain"}
    assert not any(store.done(job) for job in plan.jobs)
    assert store.load_checkpoint(plan.jobs[2]) is not None  # the next run goes on from it


def test_an_idle_worker_that_dies_is_replaced(small: StudyConfig, store: Store) -> None:
    jobs = make_plan(replace(small, methods=("scratch",))).jobs
    done: list[str] = []
    with closing(in_processes(jobs[1:3], store, NEVER, workers=1)) as events:
        for event in events:
            if event.what == "finished":
                done.append(event.job.kind)
                for worker in workers():
                    worker.kill()
                    while worker.status() != psutil.STATUS_ZOMBIE:  # psutil's own wait would reap it
                        time.sleep(0.01)
    assert done == ["baseline", "adapt"]


def test_closing_stops_busy_workers_soon_and_keeps_a_checkpoint(
    small: StudyConfig, store: Store, run_plan: Callable[..., list[Event]], small_done: tuple[Plan, Store]
) -> None:
    plan = make_plan(replace(small, methods=("scratch",)))
    job = plan.jobs[2]
    events = in_processes([job], store, NEVER, workers=2)
    for event in events:
        if event.what == "progress":
            break
    closing_at = time.monotonic()
    events.close()
    assert time.monotonic() - closing_at < 20  # far from the minute after which workers are ended by force
    assert store.load_checkpoint(job) is not None  # NEVER wrote one by the clock
    list(run_job(job, store, device="cpu", checkpoint_every_s=0))
    assert store.weights(job).keys() == small_done[1].weights(job).keys()
    mine, theirs = (s.folder(job) / "weights.safetensors" for s in (store, small_done[1]))
    assert mine.read_bytes() == theirs.read_bytes()


def test_ctrl_c_and_a_close_while_a_worker_still_imports(
    small: StudyConfig, store: Store, capfd: pytest.CaptureFixture[str]
) -> None:
    write_plan(store.root, PlanFile(jobs=make_plan(small).jobs))
    launcher = Processes(store.root, NEVER)
    launcher.submit()
    (worker,) = workers()
    for _ in range(5):
        worker.send_signal(signal.SIGINT)
        time.sleep(0.1)
    launcher.stop()
    assert workers() == []
    assert capfd.readouterr().err == ""
    assert not list(store.root.glob("running/*.lease"))


def test_workers_that_end_before_they_take_a_job_are_not_started_for_ever(
    small: StudyConfig, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONHOME", "/nowhere")  # no interpreter starts with it
    with (
        pytest.raises(StudyError, match=r"worker processes end before they take a job: .*--workers 0"),
        closing(in_processes(make_plan(small).jobs, store, NEVER, workers=1)) as events,
    ):
        list(events)


def test_ctrl_c_in_this_process_keeps_a_checkpoint(
    small: StudyConfig,
    small_done: tuple[Plan, Store],
    same_results: Callable[[Path, Path], None],
    run_plan: Callable[..., list[Event]],
    store: Store,
) -> None:
    plan, reference = small_done
    # Who runs the tests in the background of a shell has it ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def go() -> Job:
        with closing(run_in_process(Schedule(plan.jobs, store), EVERY_STEP)) as events:
            for event in events:
                if event.env_step == 320:
                    threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGINT)).start()
        raise AssertionError("it was not interrupted")

    try:
        with pytest.raises(KeyboardInterrupt):
            go()
    finally:
        signal.signal(signal.SIGINT, before)
    unfinished = [job for job in plan.jobs if not store.done(job)]
    assert unfinished
    run_plan(plan, store)
    same_results(store.root, reference.root)


def test_a_schedule_looks_at_a_job_that_others_have_done_once(
    small: StudyConfig, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = make_plan(replace(small, seeds=40))
    schedule = Schedule(plan.jobs, store)
    looked = 0

    def done(job: Job) -> bool:
        nonlocal looked
        looked += 1
        return True

    monkeypatch.setattr(store, "done", done)
    assert schedule.next() is None
    parents = {job.parent.key for job in plan.jobs if job.parent is not None}
    assert len(plan.jobs) <= looked <= len(plan.jobs) + len(parents)  # a parent once more, for its children


def test_a_schedule_gives_children_after_parents_only(small: StudyConfig, store: Store) -> None:
    plan = make_plan(small)
    schedule = Schedule(plan.jobs, store)
    ready = []
    while (job := schedule.next()) is not None:
        ready.append(job)
    first, rest = (
        ["random", "multitask", "scratch"],
        ["random", "scratch"],
    )  # one of each kind and method first
    assert [job.method for job in ready] == [*first, *rest]
    pretraining = ready[1]
    schedule.again(ready[3])
    assert schedule.next() == ready[3]
    orphans = schedule.drop_children(pretraining)
    assert {job.method for job in orphans} == {"multitask"}
    assert {job.kind for job in orphans} == {"adapt", "measure"}
    assert schedule.waiting == []
