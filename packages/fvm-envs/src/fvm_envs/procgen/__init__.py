"""Procgen's 16 games, each slot on its own level."""

from fvm_envs.procgen.env import ProcgenVec
from fvm_envs.procgen.games import ACTION_SETS, GAMES, MODES, modes_of

__all__ = ["ACTION_SETS", "GAMES", "MODES", "ProcgenVec", "modes_of"]
