"""RLBench's tasks, in MuJoCo or in CoppeliaSim: as yet played by players that never learn.

Mandi, Abbeel, James 2022 (section 5) have eleven tasks and do not name them: these are the eleven that their
code runs over, the five test tasks first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fvm_envs.manipulation.env import EPISODE_LENGTH
from fvm_envs.rlbench import check_installation
from fvm_envs.suite import SUITES

from study.claims.rlbench import rlbench_claims
from study.config import Evaluation, StudyConfig
from study.errors import StudyError, unknown
from study.registry import Benchmark

TEST_TASKS = ("push_button", "take_lid_off_saucepan", "lamp_on", "pick_up_cup", "pick_and_lift")
TRAINING_TASKS = (
    "phone_on_base",
    "stack_wine",
    "open_door",
    "take_usb_out_of_computer",
    "put_rubbish_in_bin",
    "reach_target",
)
NAMES = {"mujoco": "RLBench's tasks, re-created in MuJoCo", "coppeliasim": "RLBench in CoppeliaSim"}
RANDOM = "Nothing learns here yet: random play is what a learner will have to beat"
NOTES = {
    "mujoco": "Simulator: MuJoCo. Its tasks are re-creations of RLBench's: scores here are not RLBench "
    f"scores and must not be compared with any. {RANDOM}, the scripted planner, told where all objects are, "
    "what it can reach.",
    "coppeliasim": f"Simulator: CoppeliaSim, with RLBench's own tasks. {RANDOM}.",
}

PLAYERS_PRESET = StudyConfig(
    benchmark="rlbench",
    preset="players",
    family="rlbench",
    held_out=(*TEST_TASKS, *TRAINING_TASKS),
    env_options={"simulator": "mujoco", "cameras": []},
    evaluation=Evaluation(
        snapshots=1,
        episodes=100,
        training_tasks=1,
        training_episodes=1,
        max_steps=EPISODE_LENGTH,
        num_envs=1,
    ),
    script="waypoints",
    title=NAMES["mujoco"],
    note=NOTES["mujoco"],
)


@dataclass(frozen=True, kw_only=True)
class Options:
    """What `--set` takes for rlbench.

    Attributes:
        simulator: Mujoco (re-creations), or coppeliasim (RLBench itself, which you install).
    """

    simulator: str | None = None


def chosen(preset: StudyConfig, options: Options) -> Mapping[str, Any]:
    """Returns what another simulator changes in a preset.

    Raises:
        StudyError: There is no such simulator, or it does not run here.
    """
    simulator = options.simulator or "mujoco"
    if simulator not in NAMES:
        raise unknown("simulator", simulator, NAMES)
    if simulator == "mujoco":
        return {}
    check_coppeliasim()
    return {
        "preset": f"{preset.preset}-{simulator}",
        "env_options": {**preset.env_options, "simulator": simulator},
        # RLBench plays its scripts outside of episodes (`fvm_envs.rlbench.get_demos`): only chance plays.
        "script": None,
        "title": NAMES[simulator],
        "note": NOTES[simulator],
    }


def check_coppeliasim() -> None:
    """Raises StudyError, after printing what is missing and what mends it, unless RLBench runs here."""
    if not check_installation(deep=True).ok:
        raise StudyError(
            "RLBench in CoppeliaSim does not run here; install what is listed as missing above, or use "
            "--simulator mujoco"
        )


RLBENCH = Benchmark(
    name="rlbench",
    suite=SUITES["rlbench"],
    about="manipulation; players only, nothing learns yet",
    version=1,
    options=Options,
    chosen=chosen,
    presets={PLAYERS_PRESET.preset: PLAYERS_PRESET},
    by_default=(PLAYERS_PRESET.preset,),
    claims=rlbench_claims,
)
