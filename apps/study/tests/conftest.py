"""A toy study small enough to run dozens of times, and what the tests ask of its folder."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # two threads on busy cores are slower than one
os.environ.setdefault("MPLBACKEND", "Agg")

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from fvm_learners import PPOConfig
from fvm_learners.rainbow.config import RainbowConfig
from study.command_line.cli import run
from study.config import Evaluation, Phase, Settings, StudyConfig
from study.engines import Event, Schedule, run_in_process
from study.engines.schedule import RunOptions
from study.folder.plan_file import PlanFile, write_plan
from study.folder.store import Store
from study.plan import Plan, make_plan
from study.presets import toy
from study.results.collect import Results, collect

# --workers 0 and no MLflow: a second or two.
TINY = [
    "--benchmark",
    "toy",
    "--preset",
    "quick",
    "--game",
    "catch",
    "--methods",
    "scratch",
    "multitask",
    "--seeds",
    "1",
    "--pretrain-env-steps",
    "2048",
    "--adapt-env-steps",
    "512",
    "--train-sizes",
    "4",
    "--held-out",
    "84",
    "--no-tracking",
    "--workers",
    "0",
]

# Many short iterations, so that there are many moments to be interrupted at.
PPO = PPOConfig(num_steps=4, num_epochs=1, num_minibatches=2, network="minatar")
RAINBOW = RainbowConfig(
    encoder="minatar",
    num_steps=4,
    learn_start=32,
    updates_per_env_step=0.25,
    batch_size=8,
    replay_capacity=1024,
    num_atoms=7,
    v_min=-1.0,
    v_max=1.0,
    hidden_size=8,
    context_hidden_size=8,
    target_period_updates=10,
)
SMALL = replace(
    toy.QUICK,
    family="toy/catch",
    methods=("scratch", "multitask"),
    seeds=1,
    train_sizes=(4,),
    pool=(0, 78),
    validation=(78, 81),
    env_options={"cell_pixels": 1},
    settings={"rl2": Settings(config={"trials": 2}, learner={"recurrent": True, "lstm_size": 8})},
    held_out=(84, 87),
    pretrain=Phase(env_steps=768, num_envs=8, learner=PPO),
    adapt=Phase(env_steps=512, num_envs=8, learner=PPO),
    evaluation=Evaluation(snapshots=2, episodes=4, training_tasks=2, training_episodes=2, max_steps=20),
)


@pytest.fixture(autouse=True)
def seeded() -> None:
    """What a test draws without a generator of its own is the same in every run."""
    torch.manual_seed(0)


@pytest.fixture
def bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow waits no longer for a server than a study lets it."""
    from study.tracking.sink import ENVIRONMENT

    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An sqlite store with all of MLflow's tables: making one takes seconds, copying it none."""
    from mlflow import MlflowClient

    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    MlflowClient(tracking_uri=f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def folder(small: StudyConfig, tmp_path: Path) -> tuple[Plan, Store]:
    """A study that is planned, and of which nothing has run."""
    plan = make_plan(small)
    (tmp_path / "jobs").mkdir()
    write_plan(tmp_path, PlanFile(jobs=plan.jobs, checkpoint_every_s=0.0))
    return plan, Store(tmp_path)


@pytest.fixture(scope="session")
def small() -> StudyConfig:
    """Two held-out tasks, one seed, 24 iterations a pretraining and 16 an adaptation."""
    return SMALL


@pytest.fixture(scope="session")
def small_rainbow() -> StudyConfig:
    """The same with Rainbow: 24 iterations a pretraining and 16 an adaptation."""
    return replace(
        SMALL,
        settings={"pearl": Settings(learner={"latent_size": 2, "context_next_obs": True})},
        pretrain=replace(SMALL.pretrain, learner=RAINBOW),
        adapt=replace(SMALL.adapt, learner=RAINBOW),
    )


@pytest.fixture(scope="session")
def tiny() -> Callable[..., list[str]]:
    """Returns the arguments of a study of four jobs in this process; later options win."""

    def arguments(output: Path, *more: str) -> list[str]:
        return [*TINY, "--output", str(output), *more]

    return arguments


@pytest.fixture(scope="session")
def run_plan() -> Callable[..., list[Event]]:
    """Returns a function that runs a plan's missing jobs here and returns what happened."""

    def go(plan: Plan, store: Store) -> list[Event]:
        store.root.mkdir(parents=True, exist_ok=True)
        (store.root / "jobs").mkdir(exist_ok=True)
        with closing(run_in_process(Schedule(plan.jobs, store), RunOptions("cpu", 1e9))) as events:
            return list(events)

    return go


@pytest.fixture(scope="session")
def small_done(
    tmp_path_factory: pytest.TempPathFactory, run_plan: Callable[..., list[Event]]
) -> tuple[Plan, Store]:
    """The plan of `small`, run without interruption in this process."""
    plan, store = make_plan(SMALL), Store(tmp_path_factory.mktemp("small"))
    events = run_plan(plan, store)
    assert [event.message for event in events if event.what == "failed"] == []
    collect(SMALL, plan, store, rerun="")
    return plan, store


@pytest.fixture(scope="session")
def tiny_done(tmp_path_factory: pytest.TempPathFactory, tiny: Callable[..., list[str]]) -> Path:
    """The folder of a finished tiny study, report and all. Copy it before you change it."""
    root = tmp_path_factory.mktemp("tiny") / "study"
    assert run(tiny(root)) == 0
    return root


TABLE_NAMES = ("online", "metrics", "episodes", "rows")


def results_of(root: Path) -> dict[str, bytes]:
    """Returns every file of a study's folder that must not depend on when, where and how it ran, by name."""
    kept = ("job.json", "weights.safetensors", *(f"{table}.parquet" for table in TABLE_NAMES))
    files = {str(p.relative_to(root)): p for name in kept for p in root.glob(f"jobs/*/{name}")}
    if (root / "results.parquet").exists():
        files["results.parquet"] = root / "results.parquet"
    return {name: path.read_bytes() for name, path in sorted(files.items())}


@pytest.fixture(scope="session")
def same_results() -> Callable[[Path, Path], None]:
    """Returns a function that asserts that two folders hold the same results, byte for byte."""

    def check(left: Path, right: Path) -> None:
        a, b = results_of(left), results_of(right)
        if not {"results.parquet"} <= a.keys() & b.keys():
            a.pop("results.parquet", None)
            b.pop("results.parquet", None)
        assert list(a) == list(b)
        assert a
        assert [name for name in a if a[name] != b[name]] == []

    return check


@pytest.fixture
def no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skips drawing the report, which takes longer than a tiny study."""

    def instead(store: Store, results: Results) -> Path:
        (store.root / "report").mkdir(exist_ok=True)
        (store.root / "report" / "report.html").write_text("<p>no report")
        return store.root / "report" / "report.html"

    monkeypatch.setattr("study.run.write_report", instead)
