"""Runs one job to its end, from its last checkpoint if it has one."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import chain
from typing import Any

import numpy as np
import polars as pl
import torch
from fvm_eval import Budget, Ledger
from fvm_meta import Snapshot, Spent

from study.folder.manifest import device_name, manifest
from study.folder.store import Store
from study.jobs.agents import Visits, build_paradigm, fresh, loaded, restore, weights_of
from study.jobs.demonstrations import demos_of
from study.jobs.evaluation import Context, Stopped
from study.jobs.following import fitting, followed, held
from study.jobs.online import ONLINE_BINS, MetricCurves, OnlineCurve
from study.plan import Job
from study.registry import Measure, Rows, registered

COLUMNS = ("task", "env_step", "episode", "score")
FAR_VISITED = "far/visited"
NOTHING: Mapping[str, Any] = {}
RECENT_EPISODES = 100  # whose mean return is shown while a job runs


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What a running job tells: where it is, the latest numbers, and what it does if it does not train.

    Attributes:
        doing: "evaluating", or empty.
        part: Of that, from 0 to 1.
    """

    env_step: int
    metrics: dict[str, float] = field(default_factory=dict)
    doing: str = ""
    part: float = 0.0


def run_job(
    job: Job,
    store: Store,
    *,
    device: str,
    checkpoint_every_s: float,
    tell: Callable[[Progress], None] = lambda progress: None,
) -> Generator[Progress, None, None]:
    """Runs a job whose parent is finished, tells how far it is, and files its results in the store.

    Close the generator to stop: the job keeps a checkpoint and goes on when it is run again. When checkpoints
    are written has no influence on the results. `tell` hears of what takes time between two iterations; it
    may raise `Stopped`, which comes through once the job has kept a checkpoint, or discarded what it played.

    Raises:
        StudyError: A damaged checkpoint, a full disk.
    """
    with store.occupy(job):
        if store.done(job):  # another process finished it while we waited
            return
        if job.kind == "baseline":
            run_baseline(job, store, tell)
        elif job.kind == "measure":
            run_measure(job, store, device, tell)
        else:
            yield from run_stream(job, store, device, checkpoint_every_s, tell)


def run_baseline(job: Job, store: Store, tell: Callable[[Progress], None]) -> None:
    """Scores a policy that never learns on a held-out task."""
    started, spec = time.perf_counter(), job.spec
    context = replace(context_of(job), told=evaluated(tell, 0))
    rows = context.score(spec["policy"], [spec["task"]], spec["evaluation"]["episodes"], env_step=0)
    file_played(job, store, {"episodes": pl.DataFrame(rows)}, started, "cpu")


def run_measure(job: Job, store: Store, device: str, tell: Callable[[Progress], None]) -> None:
    """Asks the agent of a finished training what the measure asks."""
    started = time.perf_counter()
    context = replace(context_of(job), told=evaluated(tell, 0))
    file_played(job, store, {"rows": pl.DataFrame(rows_of(job, store, device, context))}, started, device)


def rows_of(job: Job, store: Store, device: str, context: Context) -> Rows:
    """Returns what a measure at the end of a training gives of its agent."""
    assert job.parent is not None
    snapshot = restore(job.parent, store, device)
    if job.spec["settings"].get("informed"):
        paradigm = build_paradigm(job.parent.spec, device)

        def informed(task: str) -> Any:
            tasks = context.pretraining["tasks"]
            return paradigm.player(snapshot, task, np.random.default_rng([context.seed, tasks.index(task)]))

        context = replace(context, informed=informed)
    return asked_of(registered().measures[job.spec["measure"]], snapshot.policy, context)


def asked_of(measure: Measure, policy: Any, context: Context) -> Rows:
    """Returns the rows that a measure gives of an agent.

    Raises:
        TypeError: It gives something else.
    """
    assert measure.play is not None
    rows: Any = measure.play(policy, context)
    if not isinstance(rows, Sequence) or not all(isinstance(row, Mapping) for row in rows):
        raise TypeError(f"the measure {measure.name} gave {rows!r} of an agent; let it give a list of dicts")
    return rows


def file_played(
    job: Job, store: Store, tables: Mapping[str, pl.DataFrame], started: float, device: str
) -> None:
    """Files the results of a job in which nothing was trained."""
    wall_s = time.perf_counter() - started
    costs = {
        "env_steps": 0,
        "updates": 0,
        "wall_s": wall_s,
        "evaluation_s": wall_s,
        "device_s": 0.0,
        "device": device_name(device),
    }
    store.finish(job, tables, {"costs": costs, "manifest": manifest(device, job)}, None)


def context_of(job: Job, settings: Mapping[str, Any] | None = None) -> Context:
    """Returns where a job's agents are played: at a measure's settings, or those of the evaluation."""
    training = job.parent if job.kind == "measure" and job.parent is not None else job
    pretraining = training.parent or training
    _, seed = job.seeds()
    if settings is None:
        settings = job.spec["settings"] if job.kind == "measure" else job.spec["evaluation"]
    known = pretraining.spec if pretraining.kind == "pretrain" else {}
    return Context(spec=training.spec, pretraining=known, settings=settings, seed=seed)


def run_stream(
    job: Job, store: Store, device: str, checkpoint_every_s: float, tell: Callable[[Progress], None]
) -> Generator[Progress, None, None]:
    """Trains, evaluates the snapshots that the plan asks for, and checkpoints."""
    spec = job.spec
    budget = Budget(env_steps=spec["phase"]["env_steps"], demos=demos_asked(spec))
    ledger, online, metrics = Ledger(budget), OnlineCurve(budget.env_steps), MetricCurves(budget.env_steps)
    asked = {name: registered().measures[name] for name in spec.get("measures", {})}
    rows: dict[str, list[Any]] = {"episodes": [], **{name: [] for name in asked}}
    spent = {"wall_s": 0.0, "evaluation_s": 0.0, "device_s": 0.0}
    at = spec["at"] if job.kind == "adapt" else ()
    resume, before_it = None, tuple[Snapshot, ...]()
    met: set[int] = set()  # training tasks on which an episode ended
    if (saved := store.load_checkpoint(job)) is not None:
        with fitting(store, job):
            check_saved(saved, rows, spent)
            resume, rows, spent = saved["stream"], saved["rows"], saved["spent"]
            ledger.load_state_dict(saved["ledger"])
            online = OnlineCurve(budget.env_steps, **saved["online"])
            metrics = MetricCurves(budget.env_steps, **saved["metrics"])
            met.update(saved["met"])
            if saved.get("unfinished"):
                before_it = (unfinished(job, saved["unfinished"], resume, device),)
    recent: deque[float] = deque(maxlen=RECENT_EPISODES)
    visits = Visits()
    started = last_saved = time.perf_counter()
    before, rare = spent["wall_s"], False
    # What training takes of the device: of a core its own time, whatever else runs on it.
    device_clock = time.process_time if device == "cpu" else time.perf_counter
    training = device_clock()

    def save(snapshot: Snapshot, unfinished: Mapping[str, Any] = NOTHING) -> None:
        spent["wall_s"] = before + time.perf_counter() - started
        curve = {"count": online.count, "return_sum": online.return_sum, "length_sum": online.length_sum}
        state = {"stream": snapshot.state(), "rows": rows, "spent": spent, "online": curve}
        told = {"count": metrics.count, "total": metrics.total}
        more = {"metrics": told, "ledger": ledger.state_dict(), "met": sorted(met)}
        store.save_checkpoint(job, {**state, **more, "unfinished": dict(unfinished)})

    stream = open_stream(job, store, ledger, budget, at, device, resume, visits)
    scored = {row["env_step"] for row in rows["episodes"]}
    coming = chain(before_it, followed(stream, store, job, resume is not None))
    for snapshot in held(coming, job, scored):
        spent["device_s"] += device_clock() - training
        online.add(snapshot.episodes)
        metrics.add(snapshot.env_step, {**snapshot.metrics, **visited(visits)})
        met |= {episode.task_index for episode in snapshot.episodes}
        recent.extend(episode.return_ for episode in snapshot.episodes)
        if snapshot.env_step in at:
            evaluating = time.perf_counter()
            try:
                found = played(job, snapshot, asked, tell)
            except (Stopped, KeyboardInterrupt):
                if snapshot.resumable:
                    at_it = {"env_step": snapshot.env_step, "spent": asdict(snapshot.spent)}
                    save(snapshot, {**at_it, "weights": weights_of(snapshot.policy)})
                raise
            for name, new in found.items():
                rows[name] += new
            spent["evaluation_s"] += time.perf_counter() - evaluating
        if snapshot.env_step == budget.env_steps:
            break  # nothing left to resume
        rare |= not snapshot.resumable  # then each moment at which the run can be resumed is used
        if snapshot.resumable and (rare or time.perf_counter() - last_saved >= checkpoint_every_s):
            save(snapshot)
            last_saved, rare = time.perf_counter(), False
        try:
            lately = {"return": sum(recent) / len(recent)} if recent else {}
            yield Progress(env_step=snapshot.env_step, metrics={**snapshot.metrics, **lately})
        except GeneratorExit:
            if snapshot.resumable:  # else the last checkpoint stands
                save(snapshot)
            raise
        training = device_clock()

    tables = {"online": online.table(), "metrics": metrics.table()}
    for name, listed in rows.items() if job.kind == "adapt" else ():
        # A checkpoint's rows come back sorted by name.
        table = pl.DataFrame(listed)
        tables[name] = table.select(COLUMNS) if name == "episodes" else table.select(sorted(table.columns))
    spent["wall_s"] = before + time.perf_counter() - started
    weights = weights_of(snapshot.policy)
    diverged = not all(bool(torch.isfinite(tensor).all()) for tensor in weights.values())
    costs = {**asdict(snapshot.spent), **spent, "device": device_name(device), "diverged": diverged}
    if job.kind == "pretrain":  # a paradigm that trains on one task at a time counts them itself
        costs["tasks_met"] = max(len(met), int(snapshot.metrics.get("distinct_tasks", 0)))
    notes = {"costs": costs, "manifest": manifest(device, job), "ledger": ledger.state_dict()}
    store.finish(job, tables, notes, weights)


def check_saved(saved: Mapping[str, Any], rows: Mapping[str, list[Any]], spent: Mapping[str, float]) -> None:
    """Raises ValueError or TypeError unless a checkpoint has what these have, and a stream's state."""
    if not isinstance(saved["stream"], dict) or not isinstance(saved.get("unfinished", {}), dict):
        raise TypeError("it holds no state of a stream")
    if saved["rows"].keys() != rows.keys() or saved["spent"].keys() != spent.keys():
        raise ValueError("it has other tables or costs")
    for found in saved["rows"].values():
        if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
            raise TypeError("its tables are no rows")
    if not all(set(COLUMNS) <= row.keys() for row in saved["rows"]["episodes"]):
        raise ValueError("its episodes lack a column")
    if not all(math.isfinite(seconds) for seconds in saved["spent"].values()):
        raise ValueError("its costs are no numbers")
    binned = [
        *saved["online"].values(),
        *saved["metrics"]["count"].values(),
        *saved["metrics"]["total"].values(),
    ]
    if not all(isinstance(task, int) for task in saved["met"]):
        raise TypeError("its tasks are no numbers")
    if any(np.shape(array) != (ONLINE_BINS,) for array in binned):
        raise ValueError(f"its curves do not have {ONLINE_BINS} bins")


def evaluated(tell: Callable[[Progress], None], env_step: int) -> Callable[[float], None]:
    """Returns what hears the part of an evaluation that is done, and tells it; it has told of none."""

    def told(part: float) -> None:
        tell(Progress(env_step=env_step, doing="evaluating", part=part))

    told(0.0)
    return told


def played(
    job: Job, snapshot: Snapshot, asked: Mapping[str, Measure], tell: Callable[[Progress], None]
) -> dict[str, list[dict[str, Any]]]:
    """Returns what a snapshot's agent scored on its task, and the rows of each measure that was asked for."""
    told = evaluated(tell, snapshot.env_step)
    context, task = replace(context_of(job), told=told), job.spec["task"]
    number = job.episodes_at(snapshot.env_step)
    episodes = context.score(snapshot.policy, [task], number, env_step=snapshot.env_step)
    return {
        "episodes": episodes,
        **{name: ask(measure, job, snapshot, told) for name, measure in asked.items()},
    }


def ask(
    measure: Measure, job: Job, snapshot: Snapshot, told: Callable[[float], None]
) -> list[dict[str, Any]]:
    """Returns the rows of a measure at a snapshot, with the snapshot's env step."""
    context = replace(context_at(measure, job, snapshot.env_step), told=told)
    rows = asked_of(measure, snapshot.policy, context)
    return [{**row, "env_step": snapshot.env_step} for row in rows]


def context_at(measure: Measure, job: Job, env_step: int) -> Context:
    """Returns where a measure plays an adaptation's agent of this env step."""
    context = context_of(job, job.spec["measures"][measure.name])
    seed = np.random.SeedSequence([context.seed, env_step, *measure.name.encode()])
    return replace(context, seed=int(seed.generate_state(1)[0]))


def unfinished(job: Job, saved: Mapping[str, Any], stream: dict[str, Any], device: str) -> Snapshot:
    """Returns the snapshot in whose evaluation a run was stopped, to be played again before it goes on."""
    policy = loaded(fresh(job, device)[0], saved["weights"], device)
    spent = Spent(**saved["spent"])
    return Snapshot(env_step=saved["env_step"], spent=spent, policy=policy, state=lambda: stream)


def visited(visits: Visits) -> dict[str, float]:
    """Returns the share of the latest env steps that lay in FAR as a metric, where envs say so."""
    share = visits.take()
    return {} if share is None else {FAR_VISITED: share}


def open_stream(
    job: Job,
    store: Store,
    ledger: Ledger,
    budget: Budget,
    at: Sequence[int],
    device: str,
    resume: dict[str, Any] | None,
    visits: Visits,
) -> Iterator[Snapshot]:
    """Returns the paradigm's stream of snapshots, on envs that charge the ledger and count visits."""
    spec = job.spec
    pretraining = job.parent.spec if job.parent else None
    paradigm = build_paradigm(spec, device, ledger, pretraining, visits)
    rng, _ = job.seeds()
    demos: Sequence[Any] = ()
    if resume is None and (demos := demos_of(job)):  # a resumed stream has them in its state
        ledger.charge(demos=demos_asked(spec))
    if job.kind == "pretrain":
        # What is written against the contract of before takes none, and needs none.
        given = {"demos": demos} if demos else {}
        return paradigm.pretrain(spec["tasks"], budget, rng, resume=resume, **given)
    pretrained = restore(job.parent, store, device) if job.parent else None
    way = registered().methods[spec["paradigm"]].adaptation(spec["adaptation"])
    if pretrained and way.zero_shot:
        return paradigm.zero_shot(pretrained, at, resume)
    shown = demos[0] if demos else ()
    return paradigm.adapt(pretrained, spec["task"], budget, rng, at=at, demos=shown, resume=resume)


def demos_asked(spec: Mapping[str, Any]) -> int:
    """Returns how many demonstrations a training is given, of all its tasks together."""
    return int(spec.get("demos", 0)) * len(spec.get("tasks", [""]))
