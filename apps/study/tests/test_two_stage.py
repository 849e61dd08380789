"""Catch in two stages as a study: what its options change."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from fvm_envs.suite import SUITES
from fvm_envs.task import Task
from study.config import StudyConfig
from study.presets.two_stage import PPO_PRESET, TWO_STAGE, Options, chosen


def changed(**options: Any) -> StudyConfig:
    """Returns the PPO preset with these options."""
    return replace(PPO_PRESET, **chosen(PPO_PRESET, Options(**options)))


def test_without_options_it_is_the_preset() -> None:
    assert changed() == PPO_PRESET
    assert PPO_PRESET.pool == ("far/2",)


def test_an_imperfect_clone_is_pretrained_on_the_corrupted_task_and_on_far() -> None:
    config = changed(teacher="imperfect", m=4)
    assert config.pool == ("imperfect/4", "far/2")
    assert config.train_sizes == (2,)
    assert config.phase("pretrain", "multitask", 2).env_steps == 8 * changed().pretrain.env_steps
    assert config.held_out == ("close-first/4",)
    assert config.far is not None
    assert config.far.tasks == ("far/2",)
    assert config.title.endswith("M = 4, shared = 0.75, an imperfect clone")
    assert config.identity != changed(m=4).identity


@pytest.mark.parametrize("teacher", ["clean", "imperfect"])
def test_all_tasks_that_its_options_name_exist(teacher: str) -> None:
    config = changed(teacher=teacher, order="both")
    for name in (*config.train_pool, *config.held_out, *config.validation):
        SUITES["two-stage"].check(Task.parse(config.task_id(name)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"teacher": "bad"}, "choose clean or imperfect"),
        ({"order": "near"}, "choose close, far or both"),
        ({"m": 0}, "give 1 to 50 balls"),
        ({"shared": 2.0}, "give a number from 0 to 1"),
    ],
)
def test_what_is_no_such_world_is_said(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        changed(**options)


def test_both_presets_have_the_arms_that_the_predictions_compare() -> None:
    for preset in TWO_STAGE.presets.values():
        wanted = {"scratch", "multitask", "multitask:none", "multitask:gradient+bc", "multitask:gradient+ks"}
        assert wanted <= set(preset.methods)
