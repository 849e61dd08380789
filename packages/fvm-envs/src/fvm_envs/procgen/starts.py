"""Episodes that begin deep inside a level: states that lie behind what fine-tuning meets first.

A rule says where: a player that knows nothing, uniform over an action set, plays each level for some steps,
and the episode begins with what it has come to. So a study keeps the rule, not the states, and whoever plays
a level by the same rule begins with the same bytes. Where the player's episode ends before, it tries again;
if all its episodes do, the level's begin halfway through the longest of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from fvm_envs.procgen.games import ACTION_SETS
from fvm_envs.procgen.levels import LevelGenerator
from fvm_envs.slot_inputs import read_count

MOST_STEPS = 100_000
MOST_TRIES = 10_000


@dataclass(frozen=True, kw_only=True)
class StartStates:
    """Where episodes begin.

    Attributes:
        steps: Of the player, before an episode begins.
        player: An action set in `ACTION_SETS`, whose actions it draws uniformly; "right" is Coinrun's script.
        tries: Episodes of the player in a level, until one is as long.
        seed: Of what it draws.

    Raises:
        ValueError: There is no such action set, or a number is out of range.
        TypeError: A number is no whole one.
    """

    steps: int
    player: str = "right"
    tries: int = 20
    seed: int = 0

    def __post_init__(self) -> None:
        if self.player not in ACTION_SETS:
            raise ValueError(
                f"start_states' player is {self.player!r}: the action sets are {', '.join(ACTION_SETS)}"
            )
        read_count("start_states' steps", self.steps, 1, MOST_STEPS)
        read_count("start_states' tries", self.tries, 1, MOST_TRIES)
        read_count("start_states' seed", self.seed, 0, 2**63)


def read_start_states(value: Any) -> StartStates | None:
    """Where episodes begin, of a rule or of a mapping with its fields, as JSON has it; None at the start.

    Raises:
        ValueError: It has another field, lacks one, or one is out of range.
        TypeError: It is neither.
    """
    if value is None or isinstance(value, StartStates):
        return value
    if not isinstance(value, Mapping):
        raise TypeError(
            f"start_states is {value!r}: give a mapping such as {{'steps': 40}}, or procgen.StartStates"
        )
    known = [field.name for field in fields(StartStates)]
    if unknown := sorted(set(value) - set(known)):
        raise ValueError(
            f"start_states has {', '.join(map(str, unknown))}: its fields are {', '.join(known)}"
        )
    if "steps" not in value:
        raise ValueError("start_states lacks steps: say how many the player takes before an episode begins")
    return StartStates(**value)


class DeepStarts:
    """The states in which the episodes of each level begin, made when a level is first asked for.

    Args:
        generator: Of the levels; played in.
        rule: Where episodes begin.
    """

    def __init__(self, generator: LevelGenerator, rule: StartStates) -> None:
        self._generator, self.rule = generator, rule
        self._actions = ACTION_SETS[rule.player]
        self._made: dict[int, tuple[bytes, int]] = {}

    def of(self, level: int) -> tuple[bytes, int]:
        """The library's state, its level range pinned to the level, and the steps that led to it."""
        if level not in self._made:
            self._made[level] = self._make(level)
        return self._made[level]

    def _make(self, level: int) -> tuple[bytes, int]:
        longest: list[int] = []
        for attempt in range(self.rule.tries):
            played = self._draws(level, attempt, self.rule.steps)
            survived = self._play(level, played)
            if survived == self.rule.steps:
                return self._generator.native.get_state(0), survived
            longest = max(longest, played[:survived], key=len)
        half = longest[: max(0, len(longest) // 2)]
        self._play(level, half)
        return self._generator.native.get_state(0), len(half)

    def _draws(self, level: int, attempt: int, num: int) -> list[int]:
        rng = np.random.default_rng([self.rule.seed, level, attempt])
        return [self._actions[i] for i in rng.integers(len(self._actions), size=num)]

    def _play(self, level: int, actions: list[int]) -> int:
        """Steps after which the episode still runs, once these actions were taken from the level's start."""
        native = self._generator.native
        native.set_state(0, self._generator.initial_state(level))
        for step, action in enumerate(actions):
            native.action[0] = action
            native.step()
            if native.first[0]:
                return step
        return len(actions)
