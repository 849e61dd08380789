"""A study with demonstrations in RLBench itself, on the stand-in for it that fvm-envs is tested with."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

from study.config import OF_FOLDS, Evaluation, Phase
from study.engines import Schedule, run_in_process
from study.engines.schedule import RunOptions
from study.folder.store import Store
from study.plan import make_plan
from study.presets import rlbench
from study.results.collect import collect, write_report

STAND_IN = Path(__file__).parents[1] / "packages/fvm-envs/tests/rlbench_adapter/standin"
SIZE = {"channels": 8, "grid_sizes": (8, 8), "batch_size": 4, "replay_capacity": 200, "num_steps": 2}


def test_every_job_gets_to_its_end_and_the_agent_is_filmed(tmp_path, monkeypatch):
    """CoppeliaSim saves no state: a checkpoint is due at every moment, and kept where slots restart."""
    monkeypatch.syspath_prepend(str(STAND_IN))  # spawned processes have this one's
    monkeypatch.setenv("COPPELIASIM_ROOT", str(tmp_path))
    quick = rlbench.QUICK
    learner = replace(quick.adapt.learner, **SIZE, updates_per_env_step=0.5)
    short = Phase(env_steps=4, num_envs=1, learner=learner, restart_every=2)
    config = replace(
        quick,
        preset="tiny",
        methods=("multitask",),
        seeds=1,
        demos=(1,),
        train_demos=1,
        folds=(rlbench.fold("reach_target/3", ("reach_target",)),),
        **OF_FOLDS,
        env_options={**quick.env_options, "simulator": "coppeliasim", "image_size": 16},
        pretrain=short,
        adapt=short,
        evaluation=Evaluation(
            snapshots=1,
            episodes=1,
            training_tasks=1,
            training_episodes=1,
            max_steps=2,
            num_envs=1,
            filmed=("multitask, 1 demo",),
        ),
    )
    plan, store = make_plan(config), Store(tmp_path / "study")
    store.root.mkdir()
    store.claim({}, {}, {})
    with closing(run_in_process(Schedule(plan.jobs, store), RunOptions("cpu", 0))) as events:
        failed = [event.message for event in events if event.what == "failed"]
    assert not failed, failed[0]
    results = collect(config, plan, store, "again")
    assert b"mp4" in write_report(store, results).read_bytes()
    (adapted,) = [job for job in plan.jobs if job.kind == "adapt"]
    assert store.note(adapted, "ledger")["spent"]["demos"] == 1
    assert store.table([adapted], "films")["env_step"].to_list() == [0, 4]
    store.close()
