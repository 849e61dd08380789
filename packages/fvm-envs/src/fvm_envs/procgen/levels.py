"""States at the start of a Procgen level, made one at a time when they are needed."""

from __future__ import annotations

from collections.abc import Mapping

from fvm_envs.procgen.games import NATIVE_MODE, parse_name
from fvm_envs.procgen.native import FORCE_RESET, NativeEnv


def native_options(mode: str, *, use_backgrounds: bool, restrict_themes: bool) -> dict[str, bool | int]:
    """The library's options of a mode, upstream's defaults except for what is named."""
    return {
        "center_agent": True,
        "use_generated_assets": False,
        "use_monochrome_assets": False,
        "restrict_themes": restrict_themes,
        "use_backgrounds": use_backgrounds,
        "paint_vel_info": False,
        "distribution_mode": NATIVE_MODE[mode],
    }


class LevelGenerator:
    """A game of its own that is sent to one level after another.

    Args:
        name: Game and mode, such as `coinrun-easy`.
        options: What `native_options` gives; states only fit environments with the same options.
    """

    def __init__(self, name: str, options: Mapping[str, bool | int]) -> None:
        game, _ = parse_name(name)
        self.native = NativeEnv(game, 1, options)
        self.layout = self.native.layout
        self._template = self.native.get_state(0)

    def initial_state(self, level: int) -> bytes:
        """The library's state at the start of a level; the level range is pinned to that level."""
        self.native.set_state(0, self.layout.at_level(self._template, level))
        self.native.action[0] = FORCE_RESET
        self.native.step()
        return self.native.get_state(0)

    def close(self) -> None:
        """Free the game."""
        self.native.close()
