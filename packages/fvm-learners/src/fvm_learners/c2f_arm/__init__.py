"""C2F-ARM: coarse-to-fine Q-attention over voxels for robots that act by poses (James et al. 2022).

`C2FARM` learns on any vector env with cameras and a pose action, from demonstrations and from what it tries;
the update is in `c2f_arm.py`, beside its equations.
"""

from fvm_learners.c2f_arm.config import CPU, PRESETS, RECOMMENDED, UPSTREAM, C2FARMConfig
from fvm_learners.c2f_arm.demonstrations import Demonstration
from fvm_learners.c2f_arm.frozen_policy import FrozenArmPolicy
from fvm_learners.c2f_arm.learner import C2FARM

__all__ = [
    "C2FARM",
    "CPU",
    "PRESETS",
    "RECOMMENDED",
    "UPSTREAM",
    "C2FARMConfig",
    "Demonstration",
    "FrozenArmPolicy",
]
