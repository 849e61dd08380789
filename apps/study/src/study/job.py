"""Runs one job to its end, from its last checkpoint if it has one."""

from __future__ import annotations

import platform
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import fvm_envs
import numpy as np
import polars as pl
import torch
from fvm_envs.restarts import Restarts
from fvm_eval import Budget, Ledger
from fvm_learners import Episode
from fvm_meta import Paradigm, Snapshot, Spent
from fvm_meta.paradigm import EVERYTHING
from fvm_meta.stream import can_save
from gymnasium.vector import VectorEnv, VectorWrapper

from study import learners
from study.errors import StudyError
from study.learners import read_spec
from study.methods import NONE, TRANSFERS, paradigm_of
from study.plan import Job
from study.scoring import env_options, score, score_latents, score_new_levels, score_training, score_trials
from study.store import Store

ONLINE_BINS = 100  # points of the online curve, and of each metric's
COLUMNS = ("task", "env_step", "episode", "score")
RECENT_EPISODES = 100  # whose mean return is shown while a job runs


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What a running job tells: where it is, the latest numbers, and what it does if it does not train."""

    env_step: int
    metrics: dict[str, float] = field(default_factory=dict)
    doing: str = ""  # "evaluating"


class MeteredEnvs(VectorWrapper):
    """Charges every env step to a ledger, so that no paradigm can take more than its budget.

    Slots that are replicates of one agent, each with a budget of its own, are charged together as one.
    """

    def __init__(self, envs: VectorEnv[Any, Any, Any], ledger: Ledger, *, replicates: bool = False) -> None:
        super().__init__(envs)
        self.ledger = ledger
        self.charge = 1 if replicates else envs.num_envs

    def step(self, actions: Any) -> Any:
        """Takes one step in every env and charges it; raises BudgetExceeded before a step too many."""
        self.ledger.charge(env_steps=self.charge)
        return super().step(actions)

    @property
    def can_save(self) -> bool:
        """Whether the envs below can be saved now."""
        return can_save(self.env)

    def state_dict(self) -> dict[str, Any]:
        """Returns the state of the envs below; the ledger is saved apart."""
        state: dict[str, Any] = self.env.state_dict()  # type: ignore[attr-defined]
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Puts the envs below into a saved state."""
        self.env.load_state_dict(state)  # type: ignore[attr-defined]


@dataclass
class OnlineCurve:
    """Returns of training episodes, summed over bins of env steps: its size does not grow with the run."""

    budget: int
    count: np.ndarray[Any, np.dtype[np.int64]] = field(
        default_factory=lambda: np.zeros(ONLINE_BINS, np.int64)
    )
    return_sum: np.ndarray[Any, np.dtype[np.float64]] = field(default_factory=lambda: np.zeros(ONLINE_BINS))
    length_sum: np.ndarray[Any, np.dtype[np.float64]] = field(default_factory=lambda: np.zeros(ONLINE_BINS))

    def add(self, episodes: Sequence[Episode]) -> None:
        """Counts finished episodes in the bin in which they ended."""
        for episode in episodes:
            i = min((episode.env_step - 1) * ONLINE_BINS // self.budget, ONLINE_BINS - 1)
            self.count[i] += 1
            self.return_sum[i] += episode.return_
            self.length_sum[i] += episode.length

    def table(self) -> pl.DataFrame:
        """Returns env_step (end of the bin), episodes, return, length; bins without episodes are left out."""
        ends = [(i + 1) * self.budget // ONLINE_BINS for i in range(ONLINE_BINS)]
        some = self.count > 0
        return (
            pl.DataFrame({"env_step": ends, "episodes": self.count})
            .filter(some)
            .with_columns(
                pl.Series("return", self.return_sum[some] / self.count[some]),
                pl.Series("length", self.length_sum[some] / self.count[some]),
            )
        )


@dataclass
class MetricCurves:
    """What the learner and the paradigm say of their updates, summed over the same bins of env steps."""

    budget: int
    count: dict[str, np.ndarray[Any, np.dtype[np.int64]]] = field(default_factory=dict)
    total: dict[str, np.ndarray[Any, np.dtype[np.float64]]] = field(default_factory=dict)

    def add(self, env_step: int, metrics: Mapping[str, float]) -> None:
        """Counts the metrics of an iteration in the bin in which it ended."""
        i = min(max(env_step - 1, 0) * ONLINE_BINS // self.budget, ONLINE_BINS - 1)
        for name, value in metrics.items():
            if name not in self.count:
                self.count[name], self.total[name] = np.zeros(ONLINE_BINS, np.int64), np.zeros(ONLINE_BINS)
            self.count[name][i] += 1
            self.total[name][i] += value

    def table(self) -> pl.DataFrame:
        """Returns metric, env_step (end of the bin), value (its mean there); empty bins are left out."""
        rows = [
            (name, (int(i) + 1) * self.budget // ONLINE_BINS, self.total[name][i] / self.count[name][i])
            for name in sorted(self.count)
            for i in np.flatnonzero(self.count[name])
        ]
        types = {"metric": pl.String, "env_step": pl.Int64, "value": pl.Float64}
        return pl.DataFrame(rows, schema=types, orient="row")


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
    are written has no influence on the results. `tell` hears of what takes time between two iterations.

    Raises:
        StudyError: A damaged checkpoint, a full disk.
    """
    with store.occupy(job):
        if store.done(job):  # another process finished it while we waited
            return
        if job.kind == "baseline":
            tell(Progress(env_step=0, doing="evaluating"))
            run_baseline(job, store)
        else:
            yield from run_stream(job, store, device, checkpoint_every_s, tell)


def run_baseline(job: Job, store: Store) -> None:
    """Scores a policy that never learns on the held-out tasks."""
    started, spec = time.perf_counter(), job.spec
    rows = score(job, spec["policy"], spec["tasks"], spec["evaluation"]["episodes"], env_step=0)
    wall_s = time.perf_counter() - started
    costs = {
        "env_steps": 0,
        "updates": 0,
        "wall_s": wall_s,
        "evaluation_s": wall_s,
        "device_s": 0.0,
        "device": device_name("cpu"),
    }
    store.finish(job, {"episodes": pl.DataFrame(rows)}, {"costs": costs, "manifest": manifest("cpu")}, None)


def run_stream(
    job: Job, store: Store, device: str, checkpoint_every_s: float, tell: Callable[[Progress], None]
) -> Generator[Progress, None, None]:
    """Trains, evaluates the snapshots that the plan asks for, and checkpoints."""
    spec, evaluation = job.spec, job.spec["evaluation"]
    budget = Budget(env_steps=spec["phase"]["env_steps"])
    ledger, online, metrics = Ledger(budget), OnlineCurve(budget.env_steps), MetricCurves(budget.env_steps)
    rows: list[dict[str, Any]] = []
    spent = {"wall_s": 0.0, "evaluation_s": 0.0, "device_s": 0.0}
    at = spec["at"] if job.kind == "adapt" else ()
    resume = None
    if saved := store.load_checkpoint(job):
        resume, rows, spent = saved["stream"], saved["rows"], saved["spent"]
        ledger.load_state_dict(saved["ledger"])
        online = OnlineCurve(budget.env_steps, **saved["online"])
        metrics = MetricCurves(budget.env_steps, **saved["metrics"])
    recent: deque[float] = deque(maxlen=RECENT_EPISODES)
    started = last_saved = time.perf_counter()
    before, rare = spent["wall_s"], False
    # What training takes of the device: of a core its own time, whatever else runs on it.
    device_clock = time.process_time if device == "cpu" else time.perf_counter
    training = device_clock()

    def save(snapshot: Snapshot) -> None:
        spent["wall_s"] = before + time.perf_counter() - started
        curve = {"count": online.count, "return_sum": online.return_sum, "length_sum": online.length_sum}
        state = {"stream": snapshot.state(), "rows": rows, "spent": spent, "online": curve}
        told = {"count": metrics.count, "total": metrics.total}
        store.save_checkpoint(job, {**state, "metrics": told, "ledger": ledger.state_dict()})

    for snapshot in open_stream(job, store, ledger, budget, at, device, resume):
        spent["device_s"] += device_clock() - training
        online.add(snapshot.episodes)
        metrics.add(snapshot.env_step, snapshot.metrics)
        recent.extend(episode.return_ for episode in snapshot.episodes)
        if snapshot.env_step in at:
            tell(Progress(env_step=snapshot.env_step, doing="evaluating"))
            evaluating = time.perf_counter()
            rows += score(job, snapshot.policy, [spec["task"]], evaluation["episodes"], snapshot.env_step)
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
    tell(Progress(env_step=budget.env_steps, doing="evaluating"))
    evaluating = time.perf_counter()
    if job.kind == "adapt":
        # A checkpoint's rows come back sorted by name.
        tables["episodes"] = pl.DataFrame(rows).select(COLUMNS)
        if spec["paradigm"] == "rl2" and spec["adaptation"] == "context":
            tables["trials"] = pl.DataFrame(score_trials(job, snapshot.policy))
        if spec["paradigm"] == "pearl" and spec["adaptation"] == "context":
            tables["latents"] = pl.DataFrame(score_latents(job, snapshot.policy))
    else:
        tables["training"] = pl.DataFrame(score_training(job, snapshot))
        if "new_tasks" in spec:
            tables["new_levels"] = pl.DataFrame(score_new_levels(job, snapshot))
    spent["evaluation_s"] += time.perf_counter() - evaluating
    spent["wall_s"] = before + time.perf_counter() - started
    weights = dict(snapshot.policy.weights)
    diverged = not all(bool(torch.isfinite(tensor).all()) for tensor in weights.values())
    costs = {**asdict(snapshot.ledger), **spent, "device": device_name(device), "diverged": diverged}
    notes = {"costs": costs, "manifest": manifest(device), "ledger": ledger.state_dict()}
    store.finish(job, tables, notes, weights)


def open_stream(
    job: Job,
    store: Store,
    ledger: Ledger,
    budget: Budget,
    at: Sequence[int],
    device: str,
    resume: dict[str, Any] | None,
) -> Iterator[Snapshot]:
    """Returns the paradigm's stream of snapshots, on envs that charge the ledger."""
    spec = job.spec
    paradigm = build_paradigm(spec, device, ledger)
    rng, _ = job.seeds()
    if job.kind == "pretrain":
        return paradigm.pretrain(spec["tasks"], budget, rng, resume=resume)
    pretrained = restore(job.parent, store, device) if job.parent else None
    if pretrained and spec["adaptation"] == NONE:
        return paradigm.zero_shot(pretrained, at, resume)
    return paradigm.adapt(pretrained, spec["task"], budget, rng, at=at, resume=resume)


def build_paradigm(spec: Mapping[str, Any], device: str, ledger: Ledger | None = None) -> Paradigm:
    """Returns the job's paradigm with its learner and envs; env steps are charged to the ledger if given."""
    phase, paradigm = spec["phase"], spec["paradigm"]
    learner_config = read_spec(phase)

    def make_learner(observation_space: Any, action_space: Any, *, seed: int, **options: Any) -> Any:
        spaces = observation_space, action_space
        return learners.make(learner_config, *spaces, seed=seed, device=device, **options)

    def make_envs(
        tasks: Sequence[Any],
        *,
        seed: int,
        on_episode_end: Any,
        split: int = 1,
        trials: float = 1,
        replicates: bool = False,
        **unknown: Any,
    ) -> Any:
        if unknown:
            raise TypeError(f"a study's envs have no option {', '.join(unknown)}")
        if phase["num_envs"] % split:
            raise StudyError(f"{phase['num_envs']} envs cannot be split into {split} equal parts")
        num_envs, options = phase["num_envs"] // split, env_options(spec, trials)
        envs: Any = fvm_envs.make_vec(tasks, num_envs, seed, on_episode_end=on_episode_end, **options)
        if (every := phase.get("restart_every")) is not None:
            envs = Restarts(envs, seed, every)
        return envs if ledger is None else MeteredEnvs(envs, ledger, replicates=replicates)

    config = dict(spec.get("config", {}))
    adaptation = spec.get("adaptation", NONE)
    if paradigm in ("rl2", "pearl") and adaptation != NONE:
        config["adaptation"] = adaptation
    kind = paradigm_of(paradigm, learner_config)
    transfer = TRANSFERS.get(adaptation, EVERYTHING)
    if spec.get("reset_sigmas"):
        transfer = replace(transfer, reset_sigmas=True)
    return kind(make_learner, make_envs, kind.Config(**config) if kind.Config else None, transfer)


def restore(job: Job, store: Store, device: str) -> Snapshot:
    """Returns the last snapshot of a finished job, with its frozen policy."""
    paradigm = build_paradigm(job.spec, device)
    tasks = job.spec["tasks"] if job.kind == "pretrain" else [job.spec["task"]]
    learner, envs = paradigm.start(tasks, np.random.default_rng(0), "stay")
    envs.close()
    learner.load_weights(store.weights(job))
    return Snapshot(
        env_step=job.budget_env_steps,
        ledger=Spent(env_steps=job.budget_env_steps),
        policy=learner.frozen_policy(),
    )


def device_name(device: str) -> str:
    """Returns what the device is called by its maker."""
    if device == "cpu":
        return platform.processor() or platform.machine()
    return str(torch.cuda.get_device_name(device))


def manifest(device: str) -> dict[str, Any]:
    """Returns what ran a job but must not change its results."""
    packages = (
        "torch",
        "numpy",
        "gymnasium",
        "procgen-mirror",
        "fvm-envs",
        "fvm-learners",
        "fvm-meta",
        "fvm-eval",
    )
    versions = {}
    for package in packages:
        with suppress(PackageNotFoundError):
            versions[package] = version(package)
    return {"python": platform.python_version(), "device": device_name(device), "packages": versions}
