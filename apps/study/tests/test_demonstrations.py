"""Studies with demonstrations: C2F-ARM on manipulation, from the plan to the page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from fvm_envs import Task
from study.command_line.cli import run
from study.config import OF_FOLDS, Evaluation, Far, Phase, StudyConfig
from study.engines import Schedule, run_in_process
from study.engines.schedule import RunOptions
from study.errors import StudyError
from study.folder.plan_file import PlanFile, write_plan
from study.folder.state_file import read_state, write_state
from study.folder.store import Store
from study.jobs.demonstrations import demos_of
from study.jobs.job import run_job
from study.jobs.trained_agents import load_agent, trained_agents
from study.methods import Row, label_of
from study.plan import Plan, make_plan
from study.presets import rlbench, toy
from study.registry import registered
from study.resolve import check
from study.results.collect import Results, audit_leaks, collect, write_report

SIZE = {"channels": 8, "grid_sizes": (8, 8), "batch_size": 4, "replay_capacity": 200, "num_steps": 3}
SLOW = {"updates_per_env_step": 0.5, "context_hidden_size": 8}


def tiny(**changed: object) -> StudyConfig:
    quick = rlbench.QUICK
    fields = {
        "preset": "tiny",
        "methods": ("scratch", "multitask", "pearl"),
        "seeds": 1,
        "demos": (0, 1),
        "train_demos": 1,
        "folds": (rlbench.fold("reach_target", ("reach_target/1", "reach_target/2")),),
        **OF_FOLDS,
        "env_options": {**quick.env_options, "image_size": 32},
        "pretrain": Phase(env_steps=12, num_envs=2, learner=replace(quick.pretrain.learner, **SIZE, **SLOW)),
        "adapt": Phase(env_steps=6, num_envs=1, learner=replace(quick.adapt.learner, **SIZE, **SLOW)),
        "evaluation": Evaluation(
            snapshots=1, episodes=2, training_tasks=1, training_episodes=1, max_steps=3, num_envs=2
        ),
        **changed,
    }
    return replace(quick, **fields)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Plan, Store, Results]]:
    config = tiny()
    plan, store = make_plan(config), Store(tmp_path_factory.mktemp("study"))
    store.claim({}, {}, {})
    with closing(run_in_process(Schedule(plan.jobs, store), RunOptions("cpu", 1e9))) as events:
        failed = [event.message for event in events if event.what == "failed"]
    assert not failed, failed[0]
    yield plan, store, collect(config, plan, store, "again")
    store.close()


def test_every_method_has_a_row_with_each_number_of_demonstrations(
    finished: tuple[Plan, Store, Results],
) -> None:
    _, store, results = finished
    asked = {f"{name}, {demos}" for name in tiny().methods for demos in ("0 demos", "1 demo")}
    assert set(results.study.methods) == asked
    table = pl.read_parquet(store.root / "results.parquet")
    assert set(table["method"]) == {*asked, "random"}
    assert set(table["score"]) <= {0.0, 1.0}
    assert results.study.conditions["scratch, 1 demo"] == "1 demo"
    assert results.study.families["pearl, 0 demos"] == "pearl"


def test_what_it_knew_can_be_kept_and_asked_for(tmp_path: Path) -> None:
    """BC by C2F-ARM's own distribution, and FAR: what agents still do in the tasks of the pretraining."""
    config = tiny(
        methods=("multitask", "multitask:gradient+bc"),
        demos=(1,),
        retain={"bc": {"states": 4, "batch_size": 2}},
        far=Far(num_tasks=1, episodes=1, max_steps=3, window_env_steps=6),
    )
    plan, store = make_plan(config), Store(tmp_path)
    store.claim({}, {}, {})
    with closing(run_in_process(Schedule(plan.jobs, store), RunOptions("cpu", 1e9))) as events:
        failed = [event.message for event in events if event.what == "failed"]
    assert not failed, failed[0]
    (bc,) = [job for job in plan.jobs if "bc" in job.spec.get("retain", {})]
    assert {"bc/kl", "bc/coef", "drift/kl"} <= set(store.table([bc], "metrics")["metric"])
    assert store.note(bc, "costs")["retention_env_steps"] == 4 + 32  # the temperature's as well
    collect(config, plan, store, "again")
    far = pl.read_parquet(tmp_path / "far.parquet").filter(policy="agent")
    assert set(far["begun"]) == {"rlbench/reach_target/1"}
    assert set(far["method"]) == {"multitask, 1 demo", "multitask:gradient+bc, 1 demo"}
    store.close()


def test_c2f_arm_s_own_settings_of_a_retention_are_in_the_plan() -> None:
    jobs = make_plan(tiny(methods=("multitask:gradient+bc+ewc",))).jobs
    retain = next(job.spec["retain"] for job in jobs if "retain" in job.spec)
    assert (retain["bc"]["states"], retain["bc"]["batch_size"], retain["ewc"]["states"]) == (64, 8, 32)
    given = make_plan(tiny(methods=("multitask:gradient+bc",), retain={"bc": {"states": 16}})).jobs
    retain = next(job.spec["retain"] for job in given if "retain" in job.spec)
    assert (retain["bc"]["states"], retain["bc"]["batch_size"]) == (16, 8)


def test_the_ledger_of_a_run_has_its_demonstrations(finished: tuple[Plan, Store, Results]) -> None:
    plan, store, results = finished
    for job in plan.jobs:
        if job.kind == "adapt":
            assert store.note(job, "ledger")["spent"]["demos"] == (Row.parse(job.method).demos or 0)
        if job.kind == "pretrain":
            assert store.note(job, "ledger")["spent"]["demos"] == 2, "one of each training task"
            assert store.note(job, "costs")["updates"] > 0
    spent = results.study.spending
    assert spent is not None
    assert dict(spent.group_by("method").agg(pl.col("demos").max()).iter_rows())["scratch, 1 demo"] == 1
    (rule,) = [check for check in results.analysis.checks if check.rule == 4]
    assert rule.status == "holds", rule.reason
    assert "0, 1 in rows of their own" in rule.reason


def test_pearl_infers_from_a_demonstration_before_its_first_step(
    finished: tuple[Plan, Store, Results],
) -> None:
    plan, store, _ = finished
    jobs = {job.method: job for job in plan.jobs if job.kind == "adapt"}
    latents = {name: store.weights(jobs[f"pearl, {name}"])["carried/latent/mean"] for name in ("1 demo",)}
    assert np.abs(latents["1 demo"].numpy()).sum() > 0


def test_a_task_and_a_variation_of_it_may_both_be_trained_on() -> None:
    """Tasks with and without a number are sorted; a name alone is its variation 0."""
    trained = ("reach_target/2", "reach_target", "reach_target/1")
    for held_out, leaked in (("reach_target/3", ()), ("reach_target/0", ("rlbench/reach_target/0",))):
        config = tiny(folds=(rlbench.fold(held_out, trained),))
        audit = audit_leaks(config, make_plan(config))
        assert (audit.against, audit.leaked) == (3, leaked)


def test_the_page_has_a_panel_for_each_number_of_demonstrations(
    finished: tuple[Plan, Store, Results],
) -> None:
    _, store, results = finished
    page = write_report(store, results).read_text()
    assert "0 demos" in page
    assert "Multi-task + fine-tuning" in page
    assert "scores here are not RLBench scores" in page.replace("\n", " ")


def test_a_pretrained_agent_has_its_methods_name_and_an_adapted_one_its_rows(
    finished: tuple[Plan, Store, Results],
) -> None:
    plan, store, _ = finished
    write_plan(store.root, PlanFile(jobs=plan.jobs))
    names = [(agent.methods, agent.task) for agent in trained_agents(store.root)]
    assert (("multitask",), "") in names
    assert (("multitask, 1 demo",), "rlbench/reach_target") in names
    assert load_agent(store.root, "multitask").learner == "c2f_arm"


def test_demonstrations_are_the_seeds_own_and_shared_by_its_methods() -> None:
    jobs = make_plan(tiny(seeds=2, demos=(0, 1, 2))).jobs
    two = {(job.spec["seed"], job.method): job for job in jobs if job.kind == "adapt"}

    def first_pose(seed: int, method: str, demo: int) -> list[float]:
        ((*_, shown),) = [demos_of(two[seed, method])[0][: demo + 1]]
        pose: list[float] = shown.frames["gripper_pose"][-1].tolist()
        return pose

    assert demos_of(two[0, "scratch, 0 demos"]) == []
    assert first_pose(0, "scratch, 2 demos", 0) == first_pose(0, "multitask, 1 demo", 0)
    assert first_pose(0, "scratch, 2 demos", 0) != first_pose(0, "scratch, 2 demos", 1)
    assert first_pose(0, "scratch, 1 demo", 0) != first_pose(1, "scratch, 1 demo", 0)


def test_an_adaptation_without_demonstrations_is_the_same_job_with_and_without_the_axis() -> None:
    keys = {
        demos: {job.key for job in make_plan(tiny(demos=demos)).jobs if job.kind == "adapt"}
        for demos in ((), (0,), (0, 1))
    }
    assert keys[()] == keys[0,] < keys[0, 1]


def test_a_row_is_read_as_it_is_written() -> None:
    for name in ("scratch", "multitask@1000", "rl2:both, 1 demo", "multitask@10, 2 demos"):
        assert Row.parse(name).name == name
    assert label_of("multitask@10, 2 demos", "task") == "Multi-task + fine-tuning (10 tasks), 2 demos"


def test_demonstrations_that_nobody_can_give_or_learn_from_are_refused() -> None:
    with pytest.raises(StudyError, match="nobody demonstrates the tasks of toy"):
        check(replace(toy.QUICK, demos=(0, 1)))
    ppo = replace(tiny().adapt, learner=toy.QUICK.adapt.learner)
    deaf = tiny(methods=("scratch",), pretrain=ppo, adapt=ppo)
    with pytest.raises(StudyError, match="ppo does not learn from demonstrations"):
        check(deaf)
    with pytest.raises(ValueError, match="rising"):
        tiny(demos=(1, 0))


@pytest.mark.parametrize(
    "changed",
    [
        {"grid_sizes": (8, 8, 8), "half_sides": (0.15, 0.04)},
        {"cameras": ("front", "wrist")},
        {"bounds": (-0.3, -0.5, 0.6, 0.8, 0.5, 1.6)},
        {"rotation_bins": 36},
        {"low_dim": ("time",)},
    ],
    ids=("depths", "cameras", "bounds", "rotation", "low-dim"),
)
def test_an_adaptation_from_weights_of_other_grids_is_refused_beforehand(
    changed: dict[str, object],
) -> None:
    adapt = tiny().adapt
    other = tiny(adapt=replace(adapt, learner=replace(adapt.learner, **changed)))
    (name,) = list(changed)[:1]
    with pytest.raises(StudyError, match=f"multitask is pretrained with {name}=.* would go on .*{name}="):
        check(other)
    check(replace(other, methods=("scratch", "multitask:none")))


def test_a_checkpoint_of_another_camera_is_a_sentence(tmp_path: Path) -> None:
    """Both agents' weights have the same shapes."""
    halfway = {}
    for camera in ("front", "wrist"):
        store = Store(tmp_path / camera)
        (store.root / "jobs").mkdir(parents=True)
        job = next(job for job in make_plan(seen_by(camera)).jobs if job.kind == "adapt")
        working = run_job(job, store, device="cpu", checkpoint_every_s=0.0)
        while not store.checkpoint(job).exists():
            next(working)
        working.close()
        halfway[camera] = job, store.checkpoint(job)
    job, checkpoint = halfway["front"]
    write_state(checkpoint, {**read_state(halfway["wrist"][1]), "job": job.key})
    with pytest.raises(StudyError, match=r"does not fit its job .*made with cameras=\('wrist',\)") as said:
        list(run_job(job, Store(tmp_path / "front"), device="cpu", checkpoint_every_s=1e9))
    assert "delete this file and run the same command again" in str(said.value)


def seen_by(camera: str) -> StudyConfig:
    config = tiny(methods=("scratch",), demos=(0,), train_demos=0)
    learner = replace(config.adapt.learner, cameras=(camera,))
    return replace(
        config,
        adapt=replace(config.adapt, learner=learner),
        env_options={**config.env_options, "cameras": [camera]},
    )


def test_a_task_that_nobody_can_demonstrate_ends_the_study_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def nobody(task: Task, *asked: object) -> list[object]:
        raise RuntimeError("ten episodes in a row could not be solved")

    preset = tiny(methods=("scratch",), demos=(1,))
    suite = replace(rlbench.RLBENCH.suite, demos=nobody)
    own = replace(rlbench.RLBENCH, suite=suite, presets={"tiny": preset})
    monkeypatch.setitem(registered().benchmarks, "rlbench", own)
    line = "--benchmark rlbench --preset tiny --no-tracking --workers 0 --output"
    assert run([*line.split(), str(tmp_path / "s")]) == 2
    said = capsys.readouterr().err
    assert "cannot demonstrate rlbench/reach_target (ten episodes in a row could not be solved)" in said


def test_success_rates_have_limits_over_pretrainings_where_there_are_two() -> None:
    from fvm_eval.statistics.bounded import korn_graubard_limits
    from study.measures.demonstrated import success

    rows = [
        ("m", 0, seed, f"m/{seed}", "t", 6, i, float(i < won))
        for seed, won in ((0, 3), (1, 1))
        for i in range(4)
    ]
    columns = ["method", "fold", "seed", "checkpoint", "task", "env_step", "episode", "score"]
    both = pl.DataFrame(rows, schema=columns, orient="row")
    found = success(both)
    assert found is not None
    expected = korn_graubard_limits(0.5, 0.0625, episodes=8, clusters=2)  # shares .75 and .25
    assert found.row(0) == ("m", "t", 6, 0.5, *expected)
    alone = success(both.filter(seed=0))
    assert alone is not None
    assert alone.row(0) == ("m", "t", 6, 0.75, None, None)
    assert success(both.with_columns(score=2.5)) is None
