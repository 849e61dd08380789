"""AppleRetrieval: a walk there and back, in which learning the way out unlearns the way back."""

from fvm_envs.apple.env import AppleVec, Walk
from fvm_envs.apple.legs import TASKS, legs_of

__all__ = ["TASKS", "AppleVec", "Walk", "legs_of"]
