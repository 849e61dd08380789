from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from study.command_line.arguments import Arguments
from study.config import StudyConfig
from study.errors import StudyError
from study.jobs.agents import build_paradigm
from study.plan import Job, Plan, make_plan
from study.registry import registered
from study.resolve import resolve


def keys(plan: Plan) -> set[str]:
    return {job.key for job in plan.jobs}


def by_key(plan: Plan) -> dict[str, Job]:
    return {job.key: job for job in plan.jobs}


def test_keys_do_not_depend_on_how_and_where_it_runs(tmp_path: Path) -> None:
    here = resolve(Arguments(benchmark="toy"), "quick")
    there = resolve(
        Arguments(
            benchmark="toy",
            device="cuda",
            workers=7,
            output=tmp_path,
            checkpoint_every_s=1.0,
            tracking_uri="http://host:1",
            plain=True,
            video="toy/catch/84",
        ),
        "quick",
    )
    assert [job.key for job in make_plan(here).jobs] == [job.key for job in make_plan(there).jobs]


@pytest.mark.parametrize(
    "wider",
    [
        lambda c: replace(c, seeds=5),
        lambda c: replace(c, methods=("scratch", "multitask")),
        lambda c: replace(c, train_sizes=(4, 8)),
        lambda c: replace(c, train_sizes=(8, 4)),
        lambda c: replace(c, note="other words", preset="mine", margin=0.2),
    ],
    ids=["seeds", "methods", "train_sizes", "order of train_sizes", "words"],
)
def test_a_wider_grid_keeps_all_its_jobs(
    small: StudyConfig, wider: Callable[[StudyConfig], StudyConfig]
) -> None:
    narrow = replace(small, methods=("multitask",))
    assert keys(make_plan(narrow)) <= keys(make_plan(wider(narrow)))


def test_what_a_pretraining_does_not_use_does_not_change_its_key(small: StudyConfig) -> None:
    other = replace(
        small,
        evaluation=replace(small.evaluation, snapshots=4, episodes=9, training_tasks=1, trials=2),
        adapt=replace(small.adapt, env_steps=1024),
        held_out=(84,),
        margin=0.3,
        script="always_right",
    )
    mine, theirs = (
        {job.key for job in make_plan(config).jobs if job.kind == "pretrain"} for config in (small, other)
    )
    assert mine == theirs


def test_no_spec_has_a_label(small: StudyConfig) -> None:
    one, several = make_plan(small), make_plan(replace(small, train_sizes=(4, 8)))
    assert {job.method for job in several.jobs} == {"random", "scratch", "multitask@4", "multitask@8"}
    assert keys(one) <= keys(several)


def test_a_measure_more_retrains_nothing(small: StudyConfig) -> None:
    narrow, wide = (
        make_plan(replace(small, evaluation=replace(small.evaluation, new_levels=number)))
        for number in (0, 2)
    )
    more = keys(wide) - keys(narrow)
    assert keys(narrow) < keys(wide)
    assert {job.kind for key, job in by_key(wide).items() if key in more} == {"measure"}


@pytest.mark.parametrize(
    "other",
    [
        lambda c: replace(c, adapt=replace(c.adapt, env_steps=1024)),
        lambda c: replace(c, adapt=replace(c.adapt, learner=replace(c.adapt.learner, learning_rate=1e-3))),
        lambda c: replace(c, evaluation=replace(c.evaluation, episodes=5)),
    ],
    ids=["budget", "learning rate", "episodes"],
)
def test_what_changes_results_changes_keys(
    small: StudyConfig, other: Callable[[StudyConfig], StudyConfig]
) -> None:
    mine, theirs = make_plan(small), make_plan(other(small))
    adapt = [job.key for job in mine.jobs if job.kind == "adapt"]
    assert keys(theirs).isdisjoint(adapt)


def test_a_child_follows_its_parent(small: StudyConfig) -> None:
    longer = replace(small, pretrain=replace(small.pretrain, env_steps=1536))
    same = keys(make_plan(small)) & keys(make_plan(longer))
    assert {job.method for key, job in by_key(make_plan(small)).items() if key in same} == {
        "random",
        "scratch",
    }


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("scratch", {"random", "multitask"}),
        ("multitask", {"random", "scratch"}),
        ("ppo", {"random"}),
        ("toy", set()),
    ],
)
def test_a_raised_result_version_runs_its_jobs_again(
    small: StudyConfig, monkeypatch: pytest.MonkeyPatch, name: str, kept: set[str]
) -> None:
    before = make_plan(small)
    records = registered()
    if name == "toy":
        monkeypatch.setitem(records.benchmarks, name, replace(records.benchmarks[name], version=2))
    else:
        learner = records.learners["ppo"]
        thing = learner.made_by if name == "ppo" else records.methods[name].made_by(learner)
        monkeypatch.setattr(thing, "version", 2, raising=False)
    after = keys(make_plan(small))
    assert {job.method for job in before.jobs if job.key in after} == kept


def test_no_two_jobs_share_a_key_or_a_seed(small: StudyConfig) -> None:
    plan = make_plan(replace(small, seeds=4, train_sizes=(4, 8)))
    assert len(keys(plan)) == len(plan.jobs) == 2 + 4 * (2 + 2 * (1 + 2 + 1))
    training = {int(job.seeds()[0].integers(2**63)) for job in plan.jobs}
    evaluation = {job.seeds()[1] for job in plan.jobs}
    assert len(training) == len(evaluation) == len(plan.jobs)


def test_evaluation_draws_from_another_stream_than_training(small: StudyConfig) -> None:
    for job in make_plan(small).jobs:
        training, evaluation = job.seeds()
        sequence = training.bit_generator.seed_seq
        children = {int(child.generate_state(1)[0]) for child in sequence.spawn(64)}
        assert evaluation not in {*children, int(sequence.generate_state(1)[0])}
        assert job.seeds()[1] == evaluation  # asking draws nothing


def test_parents_come_before_children_and_env_steps_add_up(small: StudyConfig) -> None:
    plan = make_plan(replace(small, seeds=2, train_sizes=(4, 8)))
    seen: set[str] = set()
    for job in plan.jobs:
        if job.kind == "adapt" and job.method != "scratch":
            assert job.parent is not None
            assert job.parent.key in seen
            assert job.spec["parent"] == job.parent.key
            assert (job.parent.method, job.parent.seed, job.parent.fold) == (job.method, job.seed, job.fold)
        elif job.kind == "measure":
            assert job.parent is not None
            assert job.spec["parent"] == job.parent.key in seen
            assert job.checkpoint == job.parent.checkpoint
        else:
            assert job.parent is None
        seen.add(job.key)
    pretrain, adapt = small.pretrain.env_steps, small.adapt.env_steps
    assert plan.env_steps == 2 * 2 * pretrain + 2 * 2 * (1 + 2) * adapt


def test_training_sets_are_nested_and_redrawn_for_each_seed(small: StudyConfig) -> None:
    plan = make_plan(replace(small, seeds=3, train_sizes=(8, 4, 16)))
    for seed in range(3):
        sets = [set(plan.folds[f"{size}/{seed}"].train) for size in (4, 8, 16)]
        assert [len(s) for s in sets] == [4, 8, 16]
        assert sets[0] < sets[1] < sets[2]
    assert len({plan.folds[f"16/{seed}"].train for seed in range(3)}) == 3


def test_a_job_trains_on_its_folds_training_set_only(small: StudyConfig) -> None:
    plan = make_plan(replace(small, seeds=2))
    for job in plan.jobs:
        fold = plan.folds[f"4/{job.seed}"]
        if job.kind == "pretrain":
            assert tuple(job.spec["tasks"]) == fold.train
        elif job.kind == "adapt" or job.kind == "baseline":
            assert job.spec["task"] in fold.held_out


def test_a_checkpoint_is_the_cluster_that_shares_an_error(small: StudyConfig) -> None:
    jobs = [job for job in make_plan(replace(small, seeds=2)).jobs if job.kind == "adapt"]
    clusters: dict[str, list[str]] = {}
    for job in jobs:
        clusters.setdefault(job.checkpoint, []).append(job.method)
    assert sorted(map(len, clusters.values())) == [1, 1, 1, 1, 2, 2]  # scratch runs stand alone
    assert all(len(set(methods)) == 1 for methods in clusters.values())


def test_snapshots_begin_at_zero_and_end_at_the_budget() -> None:
    for benchmark, preset in (("toy", "quick"), ("procgen", "quick"), ("procgen", "paper")):
        phase = resolve(Arguments(benchmark=benchmark, preset=preset), "quick")
        at = phase.adapt.at(phase.evaluation.snapshots)
        assert (at[0], at[-1], len(at)) == (0, phase.adapt.env_steps, phase.evaluation.snapshots + 1)
        assert all(step % phase.adapt.num_envs == 0 for step in at)
        assert list(at) == sorted(set(at))


def test_a_budget_of_few_rows_has_fewer_snapshots(small: StudyConfig) -> None:
    phase = replace(small.adapt, env_steps=16)  # two rows of eight envs
    assert phase.at(4) == (0, 8, 16)


def test_envs_that_do_not_split_into_equal_parts_are_refused(small: StudyConfig) -> None:
    plan = make_plan(replace(small, methods=("reptile-batch",)))  # 16 tasks a step, on 8 envs
    (pretraining,) = (job for job in plan.jobs if job.kind == "pretrain")
    rng, _ = pretraining.seeds()
    paradigm = build_paradigm(pretraining.spec, "cpu")
    with pytest.raises(StudyError, match="8 envs cannot be split into 16 equal parts"):
        next(paradigm.pretrain(pretraining.spec["tasks"], small.pretrain, rng))
