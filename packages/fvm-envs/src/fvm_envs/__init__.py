"""Reinforcement-learning tasks whose vector slots move between levels and games.

`make_vec("procgen/coinrun-easy/0:200", num_envs=64, seed=0)` makes a `gymnasium.vector.VectorEnv`; importing
the package registers an id with Gymnasium for each game and mode.
"""

from fvm_envs.gymnasium_vec import from_gymnasium
from fvm_envs.leakage import leaked
from fvm_envs.make import make_vec
from fvm_envs.procgen.games import ACTION_SETS
from fvm_envs.registration import register
from fvm_envs.score_ranges import score_range
from fvm_envs.scripted import RandomPolicy, always_right
from fvm_envs.slot_env import SlotEnv
from fvm_envs.task import Task, TaskSet
from fvm_envs.toy.catch import best_return
from fvm_envs.trials import Trials

__all__ = [
    "ACTION_SETS",
    "RandomPolicy",
    "SlotEnv",
    "Task",
    "TaskSet",
    "Trials",
    "always_right",
    "best_return",
    "from_gymnasium",
    "leaked",
    "make_vec",
    "score_range",
]

register()
