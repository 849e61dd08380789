"""Reinforcement-learning tasks whose vector slots move between levels and games.

`make_vec("procgen/coinrun-easy/0:200", num_envs=64, seed=0)` makes a `gymnasium.vector.VectorEnv`.
"""

from fvm_envs.make import make_vec
from fvm_envs.procgen.games import ACTION_SETS
from fvm_envs.task import Task, TaskSet
from fvm_envs.toy.catch import best_first_trial_return, best_return

__all__ = ["ACTION_SETS", "Task", "TaskSet", "best_first_trial_return", "best_return", "make_vec"]
