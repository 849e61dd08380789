"""What a config refuses, whoever makes it, and splits that are given as folds."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from fvm_eval.folds import Fold, leave_one_out
from study.config import StudyConfig
from study.identity import fields_of
from study.plan import make_plan
from study.results.collect import audit_leaks


@pytest.mark.parametrize("bad", [math.nan, math.inf, 1.5, True, "3", None])
@pytest.mark.parametrize(
    "change",
    [
        lambda c, v: replace(c, seeds=v),
        lambda c, v: replace(c, first_seed=v),
        lambda c, v: replace(c, train_sizes=(v,)),
        lambda c, v: replace(c, pretrain=replace(c.pretrain, env_steps=v)),
        lambda c, v: replace(c, adapt=replace(c.adapt, num_envs=v)),
        lambda c, v: replace(c, evaluation=replace(c.evaluation, episodes=v)),
        lambda c, v: replace(c, evaluation=replace(c.evaluation, max_steps=v)),
        lambda c, v: replace(c, evaluation=replace(c.evaluation, new_levels=v)),
    ],
    ids=["seeds", "first_seed", "size", "env_steps", "num_envs", "episodes", "max_steps", "new_levels"],
)
def test_a_count_is_a_whole_number(
    small: StudyConfig, change: Callable[[StudyConfig, Any], StudyConfig], bad: Any
) -> None:
    with pytest.raises(ValueError, match="give a whole number"):
        change(small, bad)


@pytest.mark.parametrize(
    "change",
    [
        lambda c: replace(c, seeds=10**22),
        lambda c: replace(c, seeds=10**5000),
        lambda c: replace(c, evaluation=replace(c.evaluation, episodes=10**12)),
        lambda c: replace(c, adapt=replace(c.adapt, num_envs=10**9, env_steps=10**9)),
    ],
    ids=["seeds", "more digits than print", "episodes", "envs"],
)
def test_a_count_that_nobody_can_run_is_refused_at_once(
    small: StudyConfig, change: Callable[[StudyConfig], StudyConfig]
) -> None:
    with pytest.raises(ValueError, match="it can be at most"):
        change(small)


@pytest.mark.parametrize("margin", [0, -0.1, math.nan, math.inf])
def test_a_margin_is_a_number_above_zero(small: StudyConfig, margin: float) -> None:
    with pytest.raises(ValueError, match="give a number above 0"):
        replace(small, margin=margin)


def of_folds(small: StudyConfig, folds: list[Fold], **changes: Any) -> StudyConfig:
    empty: dict[str, Any] = {"pool": (), "validation": (), "held_out": (), "train_sizes": ()}
    return replace(small, **empty, folds=tuple(folds), **changes)


def test_leave_one_out_holds_out_each_task_once_and_trains_on_the_others(small: StudyConfig) -> None:
    tasks = [f"toy/catch/{level}" for level in (1, 2, 3)]
    config = of_folds(small, leave_one_out(tasks), methods=("scratch", "multitask"), seeds=2)
    assert config.held_out == ("1", "2", "3")
    assert config.train_sizes == (2,)
    plan = make_plan(config)
    adapted = [job for job in plan.jobs if job.kind == "adapt" and job.method == "multitask"]
    assert len(adapted) == 2 * 3
    for job in adapted:
        assert job.parent is not None
        assert sorted([*job.parent.spec["tasks"], job.spec["task"]]) == tasks
    assert {job.fold for job in adapted} == {0, 1, 2}
    assert len({job.checkpoint for job in adapted}) == 6
    assert sum(job.method == "scratch" for job in plan.jobs) == 2 * 3
    assert audit_leaks(config, plan).leaked == ()


def test_a_config_of_folds_takes_no_other_split(small: StudyConfig) -> None:
    fold = Fold(("toy/catch/1",), (), ("toy/catch/2",))
    with pytest.raises(ValueError, match="folds and held_out are given"):
        replace(of_folds(small, [fold]), held_out=("7",))
    with pytest.raises(ValueError, match=r"'toy/catch/1' is not of the family toy/hidden-catch"):
        of_folds(small, [fold], family="toy/hidden-catch")


def test_a_field_that_came_later_is_left_out_while_it_has_its_default() -> None:
    @dataclass(frozen=True)
    class Inner:
        old: int = 1
        new: int = field(default=2, metadata={"since": 2})

    @dataclass(frozen=True)
    class Outer:
        inner: Inner = Inner()
        many: tuple[Inner, ...] = field(default=(), metadata={"since": 3})

    assert fields_of(Outer()) == {"inner": {"old": 1}}
    assert fields_of(Outer(Inner(new=5))) == {"inner": {"old": 1, "new": 5}}
    assert fields_of(Outer(many=(Inner(),))) == {"inner": {"old": 1}, "many": [{"old": 1}]}
