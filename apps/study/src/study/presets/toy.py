"""Toy presets: pixel Catch, whose best return is known; the test bed of every paradigm."""

from __future__ import annotations

from dataclasses import replace

from fvm_envs import Task
from fvm_envs.toy.catch import family_of
from fvm_learners import SMALL_CPU

from study.config import Evaluation, Phase, StudyConfig
from study.errors import unknown

FAMILIES = ("catch", "hidden-catch")

QUICK = StudyConfig(
    benchmark="toy",
    preset="quick",
    family="toy/catch",
    methods=("scratch", "multitask"),
    seeds=3,
    train_levels=(24,),
    pool=(0, 78),  # 13 of the 16 looks, all 6 orders of the actions
    validation_levels=(78, 81),  # the last three looks are new: one for tuning, two for the comparison
    held_out_levels=(84, 87, 91, 94),
    pretrain=Phase(env_steps=65_536, num_envs=32, ppo=replace(SMALL_CPU, num_steps=32, num_minibatches=8)),
    adapt=Phase(env_steps=8_192, num_envs=16, ppo=replace(SMALL_CPU, num_steps=32, num_minibatches=4)),
    evaluation=Evaluation(snapshots=4, episodes=20, training_tasks=8, training_episodes=8, max_steps=100),
    score_bounds=(0.0, 1.0),
    note="A toy: it shows whether methods do what they should where the best return is known.",
)

# hidden-catch has 24 tasks, one for each order of its four actions.
HIDDEN_LEVELS = {
    "train_levels": (12,),
    "pool": (0, 16),
    "validation_levels": (16, 17),
    "held_out_levels": (18, 20, 22, 23),
}

PRESETS = {preset.preset: preset for preset in (QUICK,)}


def family(preset_family: str, game: str | None, mode: str | None) -> str:
    """Returns the toy family that was asked for.

    Raises:
        StudyError: No such family, or a mode, which toys have none of.
    """
    if mode is not None:
        raise unknown("distribution mode of toy", mode, ("none",))
    if game is not None and game not in FAMILIES:
        raise unknown("toy family", game, FAMILIES)
    return preset_family if game is None else f"toy/{game}"


def check_task(task: str) -> None:
    """Raises ValueError unless there is such a task."""
    family_of(Task.parse(task))
