"""Methods that keep what they knew: their names, their place in a job's key, and a study of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fvm_envs import make_vec
from fvm_eval import Budget
from fvm_meta import MultiTask, Snapshot
from study.config import StudyConfig
from study.errors import StudyError
from study.folder.state_file import read_state, write_state
from study.folder.store import Store
from study.learners import kind_of, make
from study.methods import Method
from study.plan import Plan, make_plan
from study.presets.atari import ATARI
from study.registry import RetentionKind, registered
from study.rehearsal import rehearse, to_try
from study.resolve import check, with_arms
from study.retentions import look_back_env_steps, read


def test_a_name_says_what_is_kept_in_one_order() -> None:
    method = Method.parse("multitask:gradient+l2+bc")
    assert method.retained == ("bc", "l2")
    assert method.name == "multitask:gradient+bc+l2"
    assert Method.parse(method.name) == method
    assert method.label == "Multi-task + fine-tuning, BC + L2"
    assert method.needs == {"distribution"}
    assert Method.parse("multitask+l2+bc") == method == Method.parse("multitask:+l2+bc")  # its own adaptation
    assert Method.parse("multitask").name == "multitask"
    assert Method.parse("multitask:frozen+critic-warm-up").retained == ("critic-warm-up",)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("multitask:gradient+si", "unknown retention 'si'; did you mean 'sigmas'. If it is your own"),
        ("multitask:gradient+", "unknown retention ''; choose one of bc"),
        ("multitask+bcc", r"unknown retention 'bcc'; did you mean 'bc'\?$"),
        ("multitask:gradient+bc+bc", "name each once"),
        ("multitask:none+bc", "does not fine-tune a pretrained agent"),
        ("rl2:context+bc", "does not fine-tune a pretrained agent"),
        ("scratch:gradient+bc", "does not fine-tune a pretrained agent"),
        ("multitask:frozen+shrink-perturb", "shrink-perturb mixes .*, and multitask:frozen holds some as"),
        ("reptile:encoder+shrink-perturb+freeze", "shrink-perturb mixes .*, and freeze holds some as"),
        ("multitask:gradient+head-only+shrink-perturb", "shrink-perturb mixes .*, and head-only holds some"),
    ],
)
def test_what_cannot_be_kept_is_said(name: str, message: str) -> None:
    with pytest.raises(StudyError, match=message):
        Method.parse(name)


def test_methods_that_keep_share_the_pretraining_and_leave_other_keys_alone(small: StudyConfig) -> None:
    plain = make_plan(replace(small, methods=("multitask",)))
    both = make_plan(replace(small, methods=("multitask", "multitask:gradient+bc+l2")))
    assert {job.key for job in plain.jobs} < {job.key for job in both.jobs}
    assert [job.kind for job in both.jobs].count("pretrain") == [j.kind for j in plain.jobs].count("pretrain")
    (kept,) = {str(job.spec["retain"]) for job in both.jobs if "retain" in job.spec}
    retain = next(job.spec["retain"] for job in both.jobs if "retain" in job.spec)
    assert list(retain) == ["bc", "l2", "drift"]
    assert look_back_env_steps(retain) == 4096  # BC's; the others look at nothing old
    assert look_back_env_steps({"bc": {"states": 256}, "ewc": {"states": 256}}) == 256  # the same ones
    assert look_back_env_steps({"bc": {"states": 256}, "em": {"transitions": 300, "share": 0.1}}) == 556
    assert look_back_env_steps({"em": {"transitions": 300, "share": 0.0}}) == 0
    assert kept.count("'version': 1") == 2
    assert retain["drift"] == {"version": 2, "every": 50}
    assert [type(config) for config in read(retain)] == [
        registered().retentions[name].config for name in retain
    ]
    stronger = make_plan(replace(small, methods=("multitask:gradient+bc+l2",), retain={"bc": {"coef": 9.0}}))
    assert next(j.spec["retain"]["bc"]["coef"] for j in stronger.jobs if "retain" in j.spec) == 9.0


def test_a_coefficient_that_cannot_be_is_said(small: StudyConfig) -> None:
    config = replace(small, methods=("multitask:gradient+bc",), retain={"bc": {"coef": -1.0}})
    with pytest.raises(StudyError, match=r"retention bc: coef=-1\.0"):
        make_plan(config)


@pytest.mark.parametrize(
    ("retained", "told", "said"),
    [
        ("freeze", {"parts": ("encodr",)}, "retention 'freeze' names encodr; PPO has encoder, policy, value"),
        ("critic-warm-up", {"part": "critic"}, "retention 'critic-warm-up' names critic; PPO has encoder,"),
        ("ewc", {"mode": "full"}, "the full Fisher of 296,004 parameters has 87,618,368,016 entries"),
    ],
)
def test_a_retention_of_ours_that_does_not_go_with_the_network(
    small: StudyConfig, retained: str, told: dict[str, Any], said: str
) -> None:
    config = replace(small, methods=(f"multitask:gradient+{retained}",))
    assert not any(to_try(job) for job in make_plan(config).jobs if job.kind in ("pretrain", "adapt"))
    jobs = make_plan(replace(config, retain={retained: told})).jobs
    with pytest.raises(StudyError) as error:
        rehearse(jobs, "cpu", tuple)
    came = str(error.value)
    assert came.startswith(f"adapt multitask:gradient+{retained} seed 0 on")
    assert f", tried before anything runs: {said}" in came
    assert came.endswith(f", with retention {retained}; mend it and run the same command again")


def test_a_retention_of_ours_that_goes_with_it_is_tried_without_a_word(small: StudyConfig) -> None:
    config = replace(small, methods=("multitask:gradient+freeze",), retain={"freeze": {"parts": ("policy",)}})
    jobs = make_plan(config).jobs
    job = next(job for job in jobs if job.kind == "adapt")
    assert to_try(job)[-1] == (("freeze", "parts", "['policy']"),)
    assert rehearse(jobs, "cpu", tuple) == []


def test_arms_stand_beside_each_method_that_fine_tunes() -> None:
    methods = ("scratch", "multitask", "multitask:none", "rl2")
    assert with_arms(methods, ["bc", "l2+bc"]) == (
        *methods,
        "multitask:gradient+bc",
        "multitask:gradient+bc+l2",
    )
    with pytest.raises(StudyError, match="none of scratch, rl2 fine-tunes a pretrained agent"):
        with_arms(("scratch", "rl2"), ["bc"])


def test_em_is_for_learners_with_a_replay(small: StudyConfig, small_rainbow: StudyConfig) -> None:
    config = replace(small_rainbow, methods=("multitask:gradient+em+l2",))
    check(config)
    retain = next(job.spec["retain"] for job in make_plan(config).jobs if "retain" in job.spec)
    assert retain["em"] == {"version": 1, "transitions": 10_000, "share": 0.1}
    with pytest.raises(StudyError, match="rainbow or c2f_arm"):
        check(replace(small, methods=("multitask:gradient+em",)))
    check(replace(small_rainbow, methods=("pearl:both+bc",)))
    with pytest.raises(StudyError, match=r"pearl:both\+em adapts by a latent, .*: leave em out"):
        check(replace(small_rainbow, methods=("pearl:both+em",)))
    with pytest.raises(StudyError, match=r"needs ppo \(it asks for critic\)"):  # before anything is trained
        check(replace(small_rainbow, methods=("multitask:gradient+critic-warm-up",)))


def test_acting_epsilon_greedily_is_a_setting_of_the_learner(small_rainbow: StudyConfig) -> None:
    config = replace(
        small_rainbow,
        methods=("multitask", "multitask:gradient+eps-greedy"),
        retain={"eps-greedy": {"eps": 0.2}},
    )
    learners = {
        job.method: job.spec["phase"]["learner"]["rainbow"].get("acting_eps")
        for job in make_plan(config).jobs
        if job.kind == "adapt"
    }
    assert learners == {"multitask": None, "multitask:gradient+eps-greedy": 0.2}
    with pytest.raises(StudyError, match="retention eps-greedy: eps=2"):
        make_plan(replace(config, retain={"eps-greedy": {"eps": 2}}))


def test_an_arm_that_all_fine_tuning_is_already_is_refused(small_rainbow: StudyConfig) -> None:
    """Atari's presets reset the sigmas of everything that fine-tunes."""
    config = replace(small_rainbow, methods=("multitask", "multitask:gradient+l2+sigmas"))
    check(config)
    with pytest.raises(StudyError, match=r"does what 'sigmas' does \(reset_sigmas\), so the arm would be"):
        check(replace(config, reset_sigmas=True))
    assert ATARI.presets["small"].reset_sigmas


@pytest.mark.parametrize("learner", ["ppo", "rainbow"])
def test_a_study_of_them_logs_what_is_kept(
    small: StudyConfig,
    small_rainbow: StudyConfig,
    run_plan: Callable[[Plan, Store], list[object]],
    tmp_path: Path,
    learner: str,
) -> None:
    config = small if learner == "ppo" else small_rainbow
    config = replace(
        config,
        methods=("multitask:gradient+bc+ks" + "+em" * (learner == "rainbow"),),
        seeds=1,
        retain={"bc": {"states": 64, "batch_size": 32}, "em": {"transitions": 48, "share": 0.5}},
    )
    plan, store = make_plan(config), Store(tmp_path / "study")
    run_plan(plan, store)
    adapted = [job for job in plan.jobs if job.kind == "adapt"]
    metrics = set(store.table(adapted, "metrics")["metric"])
    assert {"bc/kl", "ks/kl", "drift/kl", "bc/coef"} <= metrics
    for job in adapted:
        costs = store.note(job, "costs")
        assert costs["env_steps"] == job.budget_env_steps
        assert costs["retention_env_steps"] >= 64 + 48 * (learner == "rainbow")


def together(capabilities: frozenset[str]) -> list[RetentionKind]:
    """Every retention with a hook that a learner with these capabilities can have."""
    kinds = registered().retentions.values()
    return [kind for kind in kinds if kind.hook is not None and kind.needs <= capabilities]


SMALLER = {
    "bc": {"states": 16, "batch_size": 8},
    "ewc": {"states": 4},
    "em": {"transitions": 64, "share": 0.5},
    "critic-warm-up": {"updates": 3},
    "drift": {"every": 3},
}
HEADS = {  # of a learner of values
    "critic-warm-up": {"updates": 3, "part": "head"},
}


@pytest.mark.parametrize("learner", ["ppo", "rainbow"])
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("without", ["holds", "mixes"])
def test_all_retentions_together_go_on_from_a_checkpoint_file_in_either_order(
    learner: str,
    backwards: bool,
    without: str,
    small: StudyConfig,
    small_rainbow: StudyConfig,
    tmp_path: Path,
) -> None:
    """All that go together, and in the opposite order: so any two are there in both orders."""
    config = small if learner == "ppo" else small_rainbow
    kind = kind_of(config.adapt.learner)
    kinds = [one for one in together(kind.capabilities) if not getattr(one.hook, without)]
    names = [one.name for one in kinds]
    assert {"bc", "ks", "drift", "l2", "freeze" if without == "mixes" else "shrink-perturb"} <= set(names)
    assert ("em" in names) == (learner == "rainbow")
    settings = {**SMALLER, **(HEADS if learner == "rainbow" else {})}
    retain = [one.config(**settings.get(one.name, {})) for one in kinds]

    def make_learner(observation_space: Any, action_space: Any, *, seed: int, **options: Any) -> Any:
        return make(
            kind, config.adapt.learner, observation_space, action_space, seed=seed, device="cpu", **options
        )

    def make_envs(tasks: Any, *, seed: int, on_episode_end: Any, **_: Any) -> Any:
        return make_vec(list(tasks), 4, seed, on_episode_end=on_episode_end, cell_pixels=1)

    tasks = ["toy/catch/0", "toy/catch/1"]
    budget = Budget(env_steps=96)
    *_, known = MultiTask(make_learner, make_envs).pretrain(tasks, budget, np.random.default_rng(0))

    def adapt(resume: dict[str, Any] | None = None) -> list[Snapshot]:
        kept = {"retain": retain[::-1] if backwards else retain, "retained_tasks": tasks}
        stream = MultiTask(make_learner, make_envs, **kept).adapt(
            known, "toy/catch/84", budget, np.random.default_rng(1), resume=resume
        )
        found = []
        for snapshot in stream:
            write_state(tmp_path / str(snapshot.env_step), snapshot.state())
            found.append(snapshot)
        return found

    whole = adapt()
    expected = (tmp_path / "96").read_bytes()
    assert len({(tmp_path / str(s.env_step)).read_bytes() for s in whole}) == len(whole) == 7
    (tmp_path / "96").unlink()
    rest = adapt(read_state(tmp_path / "48"))
    assert [s.env_step for s in rest] == [64, 80, 96]
    assert (tmp_path / "96").read_bytes() == expected
    assert [s.metrics for s in rest] == [s.metrics for s in whole[-3:]]
