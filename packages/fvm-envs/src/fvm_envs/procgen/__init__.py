"""Procgen's 16 games, each slot on its own level."""

from fvm_envs.procgen.env import ProcgenVec
from fvm_envs.procgen.games import ACTION_SETS, GAMES, MODES, modes_of
from fvm_envs.procgen.starts import StartStates

__all__ = ["ACTION_SETS", "GAMES", "MODES", "ProcgenVec", "StartStates", "modes_of"]
