"""States at the start of a Procgen level, made one at a time when they are needed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

from fvm_envs.procgen.games import NATIVE_MODE, parse_name
from fvm_envs.procgen.native import FORCE_RESET, NativeEnv
from fvm_envs.slot_inputs import read_flag


def native_options(mode: str, *, use_backgrounds: bool, restrict_themes: bool) -> dict[str, bool | int]:
    """The library's options of a mode, upstream's defaults except for what is named."""
    return {
        "center_agent": True,
        "use_generated_assets": False,
        "use_monochrome_assets": False,
        "restrict_themes": read_flag("restrict_themes", restrict_themes),
        "use_backgrounds": read_flag("use_backgrounds", use_backgrounds),
        "paint_vel_info": False,
        "distribution_mode": NATIVE_MODE[mode],
    }


class LevelGenerator:
    """A game of its own that is sent to one level after another.

    Args:
        name: Game and mode, such as `coinrun-easy`.
        options: What `native_options` gives; states only fit environments with the same options.
        kept_levels: States to keep, the last used ones: each takes 21 to 51 KB and makes the next move to its
            level three times as fast.
    """

    def __init__(self, name: str, options: Mapping[str, bool | int], *, kept_levels: int = 0) -> None:
        game, _ = parse_name(name)
        self.native = NativeEnv(game, 1, options)
        self.layout = self.native.layout
        self._template = self.native.get_state(0)
        self._kept_levels = kept_levels
        self._kept: OrderedDict[int, bytes] = OrderedDict()

    def initial_state(self, level: int) -> bytes:
        """The library's state at the start of a level, its level range pinned to that level."""
        state = self._kept.pop(level, None) or self._generate(level)
        if self._kept_levels:
            self._kept[level] = state
            if len(self._kept) > self._kept_levels:
                self._kept.popitem(last=False)
        return state

    def _generate(self, level: int) -> bytes:
        self.native.set_state(0, self.layout.at_level(self._template, level))
        self.native.action[0] = FORCE_RESET
        self.native.step()
        return self.native.get_state(0)

    def close(self) -> None:
        """Free the game."""
        self.native.close()
