"""Procgen's games, distribution modes and actions (Cobbe et al. 2020; openai/procgen 0.10.7).

Easy and hard exist for every game; `parse_options` in the library's `game.cpp` names those with extreme and
memory levels, `env.py` those with an exploration level.
"""

from __future__ import annotations

import difflib
from types import MappingProxyType

GAMES = (
    "bigfish",
    "bossfight",
    "caveflyer",
    "chaser",
    "climber",
    "coinrun",
    "dodgeball",
    "fruitbot",
    "heist",
    "jumper",
    "leaper",
    "maze",
    "miner",
    "ninja",
    "plunder",
    "starpilot",
)  # fmt: skip

EXPLORATION_LEVELS = MappingProxyType(
    {
        "coinrun": 1949448038,
        "caveflyer": 1259048185,
        "leaper": 1318677581,
        "jumper": 1434825276,
        "maze": 158988835,
        "heist": 876640971,
        "climber": 1561126160,
        "ninja": 1123500215,
    }
)
"""The one level of a game's exploration mode (a hard level)."""

_GAMES_OF_MODE = {
    "easy": GAMES,
    "hard": GAMES,
    "extreme": ("chaser", "dodgeball", "leaper", "starpilot"),
    "memory": ("caveflyer", "dodgeball", "heist", "jumper", "maze", "miner"),
    "exploration": tuple(sorted(EXPLORATION_LEVELS)),
}
MODES = tuple(_GAMES_OF_MODE)
NATIVE_MODE = MappingProxyType({"easy": 0, "hard": 1, "extreme": 2, "memory": 10, "exploration": 1})
"""The library's number of a mode."""

BUTTONS: tuple[tuple[str, ...], ...] = (
    ("LEFT", "DOWN"),
    ("LEFT",),
    ("LEFT", "UP"),
    ("DOWN",),
    (),
    ("UP",),
    ("RIGHT", "DOWN"),
    ("RIGHT",),
    ("RIGHT", "UP"),
    ("D",),
    ("A",),
    ("W",),
    ("S",),
    ("Q",),
    ("E",),
)  # fmt: skip
"""What each of the 15 native actions presses."""

ACTION_SETS = MappingProxyType(
    {
        "full": tuple(range(15)),
        "moves": tuple(range(9)),
        "coinrun": (1, 4, 5, 7, 8),
        "right": (7, 8),
    }
)
"""Named subsets of the native actions: action `a` is the native action `ACTION_SETS[name][a]`."""

MAX_LEVEL = 2**31 - 2
"""Levels are int32 and the library's range is half-open."""


def modes_of(game: str) -> tuple[str, ...]:
    """The distribution modes that a game has."""
    return tuple(mode for mode, games in _GAMES_OF_MODE.items() if game in games)


def parse_name(name: str) -> tuple[str, str]:
    """Game and mode of a task's name, such as `coinrun-easy`.

    Raises:
        ValueError: If there is no such game, or the game lacks the mode.
    """
    game, _, mode = name.partition("-")
    if game not in GAMES:
        near = difflib.get_close_matches(game, GAMES, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"the games are {', '.join(GAMES)}"
        raise ValueError(f"there is no Procgen game {game!r}: {hint}")
    if mode not in modes_of(game):
        raise ValueError(
            f"Procgen's {game} has no mode {mode!r}: expected {game}-<mode> with {', '.join(modes_of(game))}"
        )
    return game, mode


def level_seed(name: str, level: int | None) -> int:
    """The library's level seed of a task.

    Raises:
        ValueError: If the level is missing or out of range.
    """
    game, mode = parse_name(name)
    if mode == "exploration":
        if level not in (None, EXPLORATION_LEVELS[game]):
            raise ValueError(f"procgen/{name} has one level only: leave '/{level}' out")
        return EXPLORATION_LEVELS[game]
    if level is None:
        raise ValueError(f"procgen/{name} has many levels: say which, as in procgen/{name}/0")
    if level > MAX_LEVEL:
        raise ValueError(f"level {level} of procgen/{name} is too large: the largest is {MAX_LEVEL}")
    return level
