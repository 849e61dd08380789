"""The 57 games of the Atari suite, slots on different games."""

from fvm_envs.atari.env import AtariVec
from fvm_envs.atari.games import GAMES, SCORES

__all__ = ["GAMES", "SCORES", "AtariVec"]
