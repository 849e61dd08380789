"""The head of a serialised Procgen game: where its level range and clocks lie.

`Game::serialize` writes little-endian int32s, float32s, and strings as a length and bytes, in this order: version,
game name, 12 options and `grid_step`, `level_seed_low`, `level_seed_high`, `game_type`, `game_n`, two Mersenne
twisters (an int and a decimal text each), then reward, done, level_complete, action, timeout, current and previous
level seed, and so on; what the game itself adds follows.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

_OPTIONS = 13


@dataclass(frozen=True)
class StateLayout:
    """The bytes that all states of one game with one set of options start with, and what follows them.

    Attributes:
        prefix: Version, game name and options.
        timeout: Steps after which an episode is cut.
    """

    prefix: bytes
    timeout: int

    @classmethod
    def of(cls, state: bytes) -> StateLayout:
        """The layout of a state that the library itself gave."""
        (name_len,) = struct.unpack_from("<i", state, 4)
        prefix = state[: 8 + name_len + 4 * _OPTIONS]
        return cls(prefix, struct.unpack_from("<i", state, clocks_offset(state) + 16)[0])

    def check(self, state: bytes) -> None:
        """Raise ValueError if `state` is not of this game and options: the library would end the process."""
        if not state.startswith(self.prefix):
            raise ValueError("the state is of another Procgen game, mode or option: it would end the process")

    def at_level(self, state: bytes, level: int) -> bytes:
        """`state` with a level range that holds `level` only; takes effect at the next reset."""
        offset = len(self.prefix)
        return b"".join((state[:offset], struct.pack("<ii", level, level + 1), state[offset + 8 :]))

    def level_range(self, state: bytes) -> tuple[int, int]:
        """The half-open range that the next level is drawn from."""
        low, high = struct.unpack_from("<ii", state, len(self.prefix))
        return low, high


def clocks_offset(state: bytes) -> int:
    """The offset of reward, done, level_complete, action, timeout, current and previous level seed."""
    (name_len,) = struct.unpack_from("<i", state, 4)
    offset = 8 + name_len + 4 * (_OPTIONS + 4)
    for _ in range(2):
        (length,) = struct.unpack_from("<i", state, offset + 4)
        offset += 8 + length
    return offset
