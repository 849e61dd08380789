"""Catch on pixels: tasks that can be seen, and tasks that must be found out."""

from fvm_envs.toy.catch import FAMILIES, best_first_trial_return, best_return, best_second_trial_return
from fvm_envs.toy.env import CatchVec

__all__ = ["FAMILIES", "CatchVec", "best_first_trial_return", "best_return", "best_second_trial_return"]
