"""A suite: a family of tasks with what makes, checks, scores and plays them, as one record.

Whoever compares agents needs no more of a benchmark than its suite; one of your own is made like those here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from gymnasium.spaces import Box, Discrete

from fvm_envs.apple.legs import legs_of
from fvm_envs.atari.games import game_of
from fvm_envs.leakage import leaked
from fvm_envs.make import make_vec
from fvm_envs.manipulation import demos as manipulation_demos
from fvm_envs.manipulation.env import variation_of
from fvm_envs.manipulation.observation import ObservationConfig
from fvm_envs.manipulation.tasks import TASKS
from fvm_envs.procgen.games import level_seed
from fvm_envs.rlbench import demos as rlbench_demos
from fvm_envs.score_ranges import score_range
from fvm_envs.scripted import UniformBoxPolicy, UniformPolicy, WaypointPolicy, always_right
from fvm_envs.task import Task, TaskSet
from fvm_envs.toy.catch import best_return, family_of
from fvm_envs.toy.two_stage import stages_of

RANDOM = "random"


@dataclass(frozen=True, kw_only=True)
class Player:
    """A policy that follows a script.

    Attributes:
        label: For people.
        make: Returns the policy for a vector env and the options that it was made with.
    """

    label: str
    make: Callable[[Any, Mapping[str, Any]], Any]


@dataclass(frozen=True, kw_only=True)
class SameTask:
    """Which tasks are the same under two ids.

    Attributes:
        by: What is compared, for people.
        find: Of training tasks, held-out tasks and the envs' options, returns held-out tasks that are among
            the training tasks, each with its twin there.
    """

    by: str
    find: Callable[[TaskSet, TaskSet, Mapping[str, Any]], Mapping[Task, Task]]


def same_ids(train: TaskSet, held_out: TaskSet, options: Mapping[str, Any]) -> dict[Task, Task]:
    """Returns the held-out tasks whose ids are among those of the training tasks."""
    return {task: task for task in held_out if task in train}


def anything(task: Task) -> None:
    """Accepts every task."""


@dataclass(frozen=True, kw_only=True)
class Suite:
    """A family of tasks.

    Attributes:
        name: What its task ids begin with.
        make: As `make_vec` without trials: (tasks, num_envs, seed, *, on_episode_end, **options) -> vector
            env whose slots move between the tasks.
        score_range: Returns of a task that count as 0 and as 1.
        check: Raises ValueError, with a sentence, unless there is such a task.
        players: Scripted players by name; every suite has "random".
        best_return: Best possible mean return of a task, where it is known.
        bounded: Whether no episode scores outside the score range; intervals of few seeds then end there.
        same_task: Which tasks are the same under two ids.
        demos: Of a task, a number, a seed and the envs' options, so many demonstrations, each with `frames`,
            `keyframes` and `observation(frame, time=...)`; demonstration i is the same for every number. None
            where nobody demonstrates the tasks.
        scored_with: Options of the envs on which agents are scored, where they learn from another reward.
        threaded: Whether `make` takes num_threads, which changes how long a step takes and nothing else.
    """

    name: str
    make: Callable[..., Any]
    score_range: Callable[[Task], tuple[float, float]]
    check: Callable[[Task], None] = anything
    players: Mapping[str, Player] = field(default_factory=dict)
    best_return: Callable[[Task], float] | None = None
    bounded: bool = True
    same_task: SameTask = SameTask(by="ids", find=same_ids)
    demos: Callable[[Task, int, int, Mapping[str, Any]], Sequence[Any]] | None = None
    scored_with: Mapping[str, Any] = field(default_factory=dict)
    threaded: bool = False

    def player(self, name: str, envs: Any, options: Mapping[str, Any]) -> Any:
        """Returns a player's policy for envs that were made with these options.

        Raises:
            ValueError: There is no such player, or nothing can be drawn from the action space.
        """
        if name in self.players:
            return self.players[name].make(envs, options)
        if name != RANDOM:
            known = ", ".join((RANDOM, *self.players))
            raise ValueError(f"{self.name} has no player {name!r}: it has {known}")
        space = envs.single_action_space
        if isinstance(space, Discrete):
            return UniformPolicy(range(int(space.start), int(space.start + space.n)))
        if isinstance(space, Box):
            return UniformBoxPolicy(space)
        raise ValueError(
            f"actions of {space} are not drawn at random: wrap the envs so that it is a Discrete or a Box, "
            f"or give the suite a player {RANDOM!r}"
        )

    def label(self, name: str) -> str:
        """Returns what people call a player; the name itself where it has no label."""
        if name in self.players:
            return self.players[name].label
        return "Random" if name == RANDOM else name


def _same_level(train: TaskSet, held_out: TaskSet, options: Mapping[str, Any]) -> Mapping[Task, Task]:
    return leaked(train, held_out, restrict_themes=bool(options.get("restrict_themes", False)))


def _check_level(task: Task) -> None:
    level_seed(task.name, task.level)


def _check_catch(task: Task) -> None:
    family_of(task)


def _check_game(task: Task) -> None:
    game_of(task)


def _check_stages(task: Task) -> None:
    stages_of(task)


def _all_caught(task: Task) -> float:
    return 1.0


def _check_walk(task: Task) -> None:
    legs_of(task)


def _check_manipulation(task: Task) -> None:
    if task.name not in TASKS:
        raise ValueError(f"there is no task {task.name!r} of rlbench: the tasks are {', '.join(TASKS)}")
    variation_of(task)


def _manipulation_demos(task: Task, n: int, seed: int, options: Mapping[str, Any]) -> Sequence[Any]:
    config, variation = ObservationConfig.of(options), task.level or 0
    if options.get("simulator") == "coppeliasim":
        return rlbench_demos.get_demos(
            task.name, n, seed, variation=variation, config=config, picture_every=1
        )
    return manipulation_demos.get_demos(
        task.name, n, seed, variation=variation, keyframes="merged", config=config
    )


def _always_right(envs: Any, options: Mapping[str, Any]) -> Any:
    return always_right(options.get("actions", "full"))


def _waypoints(envs: Any, options: Mapping[str, Any]) -> Any:
    return WaypointPolicy(envs)


_suite = partial(Suite, make=make_vec, score_range=score_range)

SUITES: Mapping[str, Suite] = {
    suite.name: suite
    for suite in (
        _suite(
            name="procgen",
            bounded=False,  # 0 is what a policy without observations reaches: agents score less
            threaded=True,
            check=_check_level,
            players={"always_right": Player(label="Always right", make=_always_right)},
            same_task=SameTask(
                by="entities of the serialised level, and rewards of fixed actions", find=_same_level
            ),
        ),
        _suite(name="atari", check=_check_game, bounded=False, threaded=True),
        _suite(
            name="rlbench",
            check=_check_manipulation,
            players={"waypoints": Player(label="Scripted planner", make=_waypoints)},
            same_task=SameTask(by="ids", find=_same_level),
            demos=_manipulation_demos,
        ),
        _suite(name="toy", check=_check_catch, best_return=best_return),
        _suite(name="two-stage", check=_check_stages, best_return=_all_caught),
        _suite(name="apple", check=_check_walk, scored_with={"reward": "success"}),
    )
}
"""The suites that fvm brings, by name."""
