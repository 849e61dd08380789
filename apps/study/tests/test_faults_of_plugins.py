"""What fails in a user's own environments and plug-ins: said as what it is, and nothing is lost by it."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from fvm_envs import Task, TaskSet
from fvm_envs.suite import SUITES
from rich.console import Console
from study import plugins
from study.command_line.cli import run
from study.command_line.terminal import Terminal
from study.config import StudyConfig
from study.engines import Schedule
from study.engines.schedule import RunOptions
from study.engines.worker import take_jobs
from study.errors import StudyError, last_line, refused
from study.folder.plan_file import PlanFile, write_plan
from study.folder.store import Store
from study.folder.under_way import UnderWay
from study.jobs import environments
from study.jobs.environments import check_task, score_range_of
from study.jobs.job import asked_of, context_of, run_job
from study.plan import Plan, make_plan
from study.registry import ClaimKind, Measure, register, registered
from study.resolve import check

TASK = "toy/hidden-catch/0"


@pytest.fixture
def suite(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Returns what changes fields of the suite of every benchmark."""

    def change(**fields: Any) -> None:
        changed = replace(SUITES["toy"], **fields)
        monkeypatch.setattr(environments, "suite_of", lambda benchmark: changed)

    return change


def failing(error: BaseException, after: int = 0) -> Callable[..., Any]:
    """Returns what makes envs that raise once so many steps are taken; at once, if none."""

    def make(*args: Any, **options: Any) -> Any:
        if not after:
            raise error
        envs, left = SUITES["toy"].make(*args, **options), iter(range(after))
        step = envs.step

        def stepped(actions: Any) -> Any:
            if next(left, None) is None:
                raise error
            return step(actions)

        envs.step = stepped
        return envs

    return make


def test_an_env_that_fails_beside_a_finished_agent_damages_nothing(
    small_done: tuple[Plan, Store], tmp_path: Path, suite: Callable[..., None]
) -> None:
    plan, store = small_done[0], Store(tmp_path / "mine")
    shutil.copytree(small_done[1].root, store.root)
    job = next(job for job in plan.jobs if job.kind == "measure")
    shutil.rmtree(store.folder(job))
    store.forget(job)
    suite(make=failing(RuntimeError("no power")))
    with pytest.raises(RuntimeError, match=r"^no power$"):
        list(run_job(job, store, device="cpu", checkpoint_every_s=1e9))


@pytest.mark.parametrize("after", [0, 3])
def test_an_env_that_fails_after_a_resume_does_not_blame_the_checkpoint(
    small: StudyConfig, tmp_path: Path, suite: Callable[..., None], after: int
) -> None:
    store = Store(tmp_path)
    (tmp_path / "jobs").mkdir()
    job = next(job for job in make_plan(small).jobs if job.method == "scratch")
    working = run_job(job, store, device="cpu", checkpoint_every_s=0.0)
    while not store.checkpoint(job).exists():
        next(working)
    working.close()
    kept = store.checkpoint(job).read_bytes()
    suite(make=failing(RuntimeError("no power"), after))
    with pytest.raises(RuntimeError, match=r"^no power$"):
        list(run_job(job, store, device="cpu", checkpoint_every_s=1e9))
    assert store.checkpoint(job).read_bytes() == kept


@pytest.mark.parametrize(
    ("error", "why"),
    [(SystemExit(3), "SystemExit: 3"), (RuntimeError("two\nlines"), "RuntimeError: two lines")],
)
def test_a_job_that_fails_says_so_whatever_it_raises_and_its_traceback_once(
    small: StudyConfig, tmp_path: Path, suite: Callable[..., None], error: BaseException, why: str
) -> None:
    plan, store = make_plan(small), Store(tmp_path)
    (tmp_path / "jobs").mkdir()
    suite(make=failing(error))
    events = list(take_jobs(Schedule(plan.jobs, store), RunOptions("cpu", 1e9)))
    failed = [event for event in events if event.what == "failed"]
    assert len(failed) > 2
    assert {last_line(event.message) for event in failed} == {why}
    console = Console(record=True, force_terminal=False, width=200)
    terminal = Terminal(console, plan, [])
    for event in failed:
        terminal.take(event)
    shown = console.export_text()
    assert (shown.count("Traceback"), shown.count(f"FAILED: {why}")) == (1, len(failed) - 1)


def test_what_our_packages_refuse_on_purpose_is_a_sentence_without_a_traceback(
    small: StudyConfig, tmp_path: Path, suite: Callable[..., None]
) -> None:
    def make(tasks: Any, *args: Any, **options: Any) -> Any:
        return SUITES["toy"].make(TaskSet([]), *args, **options)

    plan, store = make_plan(small), Store(tmp_path)
    (tmp_path / "jobs").mkdir()
    suite(make=make)
    events = take_jobs(Schedule(plan.jobs, store), RunOptions("cpu", 1e9))
    failed = next(event for event in events if event.what == "failed")
    assert failed.message == "the tasks are of the benchmarks []: give tasks of exactly one"


def caught(call: Callable[[], Any]) -> Exception:
    """Returns what a call raises."""
    try:
        call()
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


def test_only_what_one_of_our_modules_raises_itself_is_refused() -> None:
    assert refused(caught(lambda: Task.parse("x")))
    assert not refused(caught(lambda: StudyConfig(benchmark="x")))  # type: ignore[call-arg]
    assert not refused(caught(lambda: int("x")))
    assert not refused(caught(lambda: TaskSet(5)))  # type: ignore[arg-type]
    assert not refused(ValueError("never raised"))


PLUGIN = """
from dataclasses import replace
from fvm_envs.suite import SUITES
from study.registry import Benchmark, register, registered

toy = registered().benchmarks["toy"]
suite = replace(SUITES["toy"], {change})
quick = replace(toy.presets["quick"], benchmark="mine")
register(replace(toy, name="mine", suite=suite, presets={{"quick": quick}}))
"""


@pytest.fixture(autouse=True)
def no_traces() -> Iterator[None]:
    """Forgets the records and plug-ins of a test."""
    before = {kind: dict(records) for kind, records in vars(registered()).items()}
    modules = dict(plugins._loaded)
    yield
    for kind, records in vars(registered()).items():
        records.clear()
        records.update(before[kind])
    for module in plugins._loaded.keys() - modules.keys():
        sys.modules.pop(module, None)
    plugins._loaded.clear()
    plugins._loaded.update(modules)
    plugins._given.clear()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            "score_range=lambda task: 1 / 0",
            "study: a plug-in failed: ZeroDivisionError: division by zero (mine.py, line 7); mend it and run "
            "the same command again: what has run is kept\n",
        ),
        (
            "score_range=lambda task: (1.0, 1.0)",
            "study: the suite toy gives (1.0, 1.0) as score_range of toy/visible-catch/20; let it give (low, "
            "high), the returns that count as 0 and as 1, the lower one first\n",
        ),
    ],
)
def test_a_plug_in_that_fails_in_the_command_is_named_with_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: str, said: str
) -> None:
    (tmp_path / "mine.py").write_text(PLUGIN.format(change=change))
    line = ["--plugin", str(tmp_path / "mine.py"), "--benchmark", "mine", "--output", str(tmp_path / "out")]
    assert run([*line, "--preset", "quick", "--workers", "0"]) == 2
    assert capsys.readouterr().err == said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "came",
    [
        None,
        5.0,
        [0.0, 1.0],
        (0.0, 1.0, 2.0),
        ("a", "b"),
        (1.0, 0.0),
        (0.0, float("nan")),
        (0.0, float("inf")),
    ],
)
def test_a_score_range_is_two_numbers_the_lower_one_first(came: Any, suite: Callable[..., None]) -> None:
    suite(score_range=lambda task: came)
    with pytest.raises(StudyError, match=r"gives .* as score_range of .*; let it give \(low, high\), the"):
        score_range_of("toy", TASK)


def test_a_check_that_says_false_refuses_the_task(suite: Callable[..., None]) -> None:
    suite(check=lambda task: task.level < 3)
    check_task("toy", "toy/hidden-catch/2")
    with pytest.raises(ValueError, match="there is no task toy/hidden-catch/3, says the check of the suite"):
        check_task("toy", "toy/hidden-catch/3")


def test_rewards_that_are_no_numbers_are_said_where_an_agent_is_scored(
    small: StudyConfig, tmp_path: Path, suite: Callable[..., None]
) -> None:
    def make(*args: Any, **options: Any) -> Any:
        envs = SUITES["toy"].make(*args, **options)
        step = envs.step

        def stepped(actions: Any) -> Any:
            obs, reward, *rest = step(actions)
            return obs, reward * float("nan"), *rest

        envs.step = stepped
        return envs

    (tmp_path / "jobs").mkdir()
    job = next(job for job in make_plan(small).jobs if job.kind == "baseline")
    suite(make=make)
    with pytest.raises(ValueError, match=r"an episode of toy/.* returned nan: let its environment give"):
        list(run_job(job, Store(tmp_path), device="cpu", checkpoint_every_s=1e9))


@pytest.mark.parametrize(("ends", "scale"), [((0.0, 10.0), 0.1), ((-5.0, 10.0), 0.1), ((-50.0, 0.0), 0.02)])
def test_rewards_that_memory_sees_are_parts_of_the_best_or_of_the_worst_where_none_is_good(
    small: StudyConfig, suite: Callable[..., None], ends: tuple[float, float], scale: float
) -> None:
    suite(score_range=lambda task: ends)
    jobs = make_plan(replace(small, methods=("rl2",))).jobs
    assert {job.spec["reward_scale"] for job in jobs if job.kind == "pretrain"} == {scale}


def test_a_worker_without_a_plug_in_takes_no_job_and_fails_none(
    small: StudyConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = registered()
    lent = {"quick": replace(small, benchmark="lent")}
    register(
        replace(known.benchmarks["toy"], name="lent", presets=lent),
        replace(known.methods["multitask"], name="lent"),
    )
    plans = [
        make_plan(replace(small, benchmark="lent")),
        make_plan(replace(small, methods=("scratch", "lent"))),
    ]
    del known.benchmarks["lent"], known.methods["lent"]
    for plan, what in zip(plans, ("benchmark", "method"), strict=True):
        root = tmp_path / what
        (root / "jobs").mkdir(parents=True)
        write_plan(root, PlanFile(jobs=plan.jobs))
        assert run(["work", str(root), "--device", "cpu"]) == 2
        said = capsys.readouterr()
        assert f"is of a {what} 'lent', which is not known here; name its plug-in (--plugin)" in said.err
        assert UnderWay(root).failures() == {}
        assert list((root / "jobs").iterdir()) == []


def test_a_worker_with_another_plug_in_of_the_same_name_refuses(
    small: StudyConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "jobs").mkdir()
    write_plan(tmp_path, PlanFile(jobs=()))
    (tmp_path / "empty.py").write_text("x = 1\n")
    line = ["work", str(tmp_path), "--device", "cpu", "--plugin", str(tmp_path / "empty.py")]
    assert run(line) == 0  # there is no study.json
    (tmp_path / "study.json").write_text(json.dumps({"plugins": plugins.loaded()}))
    assert run(line) == 0
    (tmp_path / "study.json").write_text(json.dumps({"plugins": {"empty.py": "another"}}))
    capsys.readouterr()
    assert run(line) == 2
    assert capsys.readouterr().err == (
        "study: the study runs with another empty.py than the one here; give each worker the same file, or "
        "run the study's own command again with this one\n"
    )


@pytest.mark.parametrize("came", [None, "W", ["W"], 3])
def test_claims_of_a_plug_in_are_a_list_before_anything_runs(small: StudyConfig, came: Any) -> None:
    register(ClaimKind(name="odd", claims=lambda config: came))
    with pytest.raises(TypeError, match=r"the claims of odd are .*; let it give a list of Claim, or \[\]"):
        check(small)


@pytest.mark.parametrize("came", [None, [1], 5])
def test_a_measure_gives_rows(small_done: tuple[Plan, Store], came: Any) -> None:
    measure = Measure(name="odd", play=lambda agent, context: came)
    context = context_of(next(job for job in small_done[0].jobs if job.kind == "adapt"))
    with pytest.raises(TypeError, match=r"the measure odd gave .* of an agent; let it give a list of dicts"):
        asked_of(measure, None, context)
    assert asked_of(replace(measure, play=lambda agent, context: [{"a": 1}]), None, context) == [{"a": 1}]


@pytest.mark.parametrize("came", [None, {"W": 3}, []])
def test_the_cells_of_a_measure_are_tables(came: Any) -> None:
    measure = Measure(name="odd", cells=lambda rows, ranges: came)
    finished: Any = SimpleNamespace(rows=lambda measure: pl.DataFrame({"a": [1]}), ranges={})
    with pytest.raises(TypeError, match=r"the cells of the measure odd are .*; let it give tables by their"):
        measure.found(finished)
