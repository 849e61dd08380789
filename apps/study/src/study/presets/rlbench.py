"""RLBench's tasks, in MuJoCo or in CoppeliaSim: as yet played by players that never learn.

Mandi, Abbeel, James 2022 (section 5) have eleven tasks and do not name them: these are the eleven that their
code runs over, the five test tasks first.
"""

from __future__ import annotations

from dataclasses import fields

from fvm_envs.manipulation.env import EPISODE_LENGTH, variation_of
from fvm_envs.manipulation.tasks import TASKS
from fvm_envs.rlbench import check_installation
from fvm_envs.task import Task

from study.arguments import Arguments
from study.errors import StudyError, unknown
from study.play import PlayConfig

TEST_TASKS = ("push_button", "take_lid_off_saucepan", "lamp_on", "pick_up_cup", "pick_and_lift")
TRAINING_TASKS = (
    "phone_on_base",
    "stack_wine",
    "open_door",
    "take_usb_out_of_computer",
    "put_rubbish_in_bin",
    "reach_target",
)
# RLBench plays its scripts outside of episodes (`fvm_envs.rlbench.get_demos`): there only chance plays.
PLAYERS = {"mujoco": ("waypoints", "random"), "coppeliasim": ("random",)}
NAMES = {"mujoco": "RLBench's tasks, re-created in MuJoCo", "coppeliasim": "RLBench in CoppeliaSim"}
RANDOM = "Nothing learns here yet: random play is what a learner will have to beat"
NOTES = {
    "mujoco": (
        "Simulator: MuJoCo. Its tasks are re-creations of RLBench's: scores here are not RLBench scores and "
        "must not be compared with any.",
        f"{RANDOM}, the scripted planner, which is told where all objects are, what it can reach.",
    ),
    "coppeliasim": ("Simulator: CoppeliaSim, with RLBench's own tasks.", f"{RANDOM}."),
}
PRESET = "players"
# What of the command line has a meaning where nothing is trained.
MEANT = {
    "benchmark",
    "preset",
    "simulator",
    "held_out",
    "output",
    "workers",
    "dry_run",
    "tracking_uri",
    "tracking",
    "checkpoint_every_s",
    "plain",
}


def resolve(arguments: Arguments) -> PlayConfig:
    """Returns the study of players that the arguments ask for.

    Raises:
        StudyError: An option that means nothing here, a name nobody knows, CoppeliaSim that does not run.
    """
    default = Arguments(benchmark="rlbench")
    for field in fields(Arguments):
        if field.name not in MEANT and getattr(arguments, field.name) != getattr(default, field.name):
            flag = "--" + field.name.replace("_", "-")
            raise StudyError(f"rlbench has no learner yet, so {flag} means nothing there; leave it out")
    if arguments.preset not in (None, PRESET):
        raise unknown("preset of rlbench", str(arguments.preset), [PRESET])
    simulator = arguments.simulator or "mujoco"
    if simulator not in PLAYERS:
        raise unknown("simulator", simulator, PLAYERS)
    names = (*TEST_TASKS, *TRAINING_TASKS) if arguments.held_out is None else arguments.held_out
    if not names:
        raise StudyError("no tasks given to --held-out; name at least one, such as lamp_on")
    tasks = tuple(dict.fromkeys(task_id(name, simulator) for name in names))
    if simulator == "coppeliasim":
        check_coppeliasim()
    return PlayConfig(
        benchmark="rlbench",
        preset=PRESET,
        title=NAMES[simulator],
        tasks=tasks,
        players=PLAYERS[simulator],
        episodes=100,
        max_steps=EPISODE_LENGTH,
        env_options={"simulator": simulator, "cameras": []},
        folder=simulator,
        notes=NOTES[simulator],
    )


def task_id(name: str, simulator: str) -> str:
    """Returns the id of a task as the command line names it: push_button, pick_up_cup/3.

    Raises:
        StudyError: There is no such task; CoppeliaSim plays all of RLBench's, and says so itself.
    """
    try:
        task = Task.parse(f"rlbench/{name.removeprefix('rlbench/')}")
        if simulator == "mujoco":
            if task.name not in TASKS:
                raise unknown("task of rlbench", task.name, TASKS)
            variation_of(task)
    except ValueError as error:
        raise StudyError(str(error)) from None
    return task.id


def check_coppeliasim() -> None:
    """Raises StudyError, after printing what is missing and what mends it, unless RLBench runs here."""
    if not check_installation(deep=True).ok:
        raise StudyError(
            "RLBench in CoppeliaSim does not run here; install what is listed as missing above, or use "
            "--simulator mujoco"
        )
