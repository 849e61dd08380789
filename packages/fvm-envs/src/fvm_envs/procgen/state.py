"""Where things lie in a serialised Procgen game.

`Game::serialize` (openai/procgen 0.10.7) writes little-endian int32s and float32s, and strings as a length
and bytes, in this order: version, game name, 12 options, `grid_step`, `level_seed_low`, `level_seed_high`,
`game_type`, `game_n`, two Mersenne twisters (an int and a decimal text each), then 14 fields of clocks and
seeds. `BasicAbstractGame::serialize` goes on with the entities (31 fields each), 19 fields that end in a
random number of the last step, a third twister, and the grid; what the game itself adds follows.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

_OPTIONS = 12
_END = struct.pack("<I", 0xCAFECAFE)
_CLOCKS = struct.Struct("<fiiiiiiiiifiiii")
_TIMEOUT = 4
_ENTITY_BYTES = 31 * 4
_SETTINGS_BYTES = 19 * 4
_WALLPAPER_BYTES = 4 * 4


def _int(state: bytes, offset: int) -> int:
    return int.from_bytes(state[offset : offset + 4], "little", signed=True)


def _after_twister(state: bytes, offset: int) -> int:
    return offset + 8 + _int(state, offset + 4)


@dataclass(frozen=True)
class StateLayout:
    """What all states of one game with one set of options share.

    Attributes:
        prefix: The bytes they start with: version, game name and options.
        timeout: Steps after which an episode is cut.
    """

    prefix: bytes
    timeout: int

    @classmethod
    def of(cls, state: bytes) -> StateLayout:
        """The layout of a state that the library itself gave."""
        prefix = state[: 8 + _int(state, 4) + 4 * _OPTIONS]
        clocks = _clocks_offset(state, len(prefix))
        return cls(prefix, _CLOCKS.unpack_from(state, clocks)[_TIMEOUT])

    def check(self, state: bytes) -> None:
        """Make sure that the library will take `state`; on any other it ends the process.

        Raises:
            ValueError: If the state is of another game, mode or option, or is cut off.
        """
        if not state.startswith(self.prefix):
            raise ValueError("the state is of another Procgen game, mode or option than this environment's")
        if not state.endswith(_END):
            raise ValueError("the Procgen state is cut off: it does not end with the library's end mark")

    def at_level(self, state: bytes, level: int) -> bytes:
        """`state` with a level range that holds `level` only; it takes effect at the next reset."""
        offset = len(self.prefix) + 4
        return b"".join((state[:offset], struct.pack("<ii", level, level + 1), state[offset + 8 :]))

    def level_of(self, state: bytes) -> int:
        """The lowest level that the next reset may draw."""
        return _int(state, len(self.prefix) + 4)

    def scene(self, state: bytes) -> bytes:
        """Entities, grid and what a game adds: no random generators, seeds, clocks or wallpaper."""
        start = _clocks_offset(state, len(self.prefix)) + _CLOCKS.size
        settings = start + 8 + _ENTITY_BYTES * _int(state, start + 4)
        twister = settings + _SETTINGS_BYTES
        return b"".join(
            (
                state[start:settings],
                state[settings + _WALLPAPER_BYTES : twister - 4],
                state[_after_twister(state, twister) :],
            )
        )


def _clocks_offset(state: bytes, prefix_bytes: int) -> int:
    return _after_twister(state, _after_twister(state, prefix_bytes + 20))
