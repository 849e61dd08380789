"""C2F-ARM: coarse-to-fine Q-attention over voxels for robots that act by poses (James et al. 2022).

`C2FARM` learns on any vector env with cameras and a pose action, from demonstrations and from what it tries;
the update is in `c2f_arm.py`, beside its equations.
"""

from typing import TYPE_CHECKING

from fvm_learners.c2f_arm.config import CPU, PRESETS, RECOMMENDED, UPSTREAM, C2FARMConfig
from fvm_learners.c2f_arm.demonstrations import Demonstration

if TYPE_CHECKING:
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

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in ("C2FARM", "FrozenArmPolicy"):
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from fvm_learners.c2f_arm import frozen_policy, learner  # load torch, which a config does not need

        return learner.C2FARM if name == "C2FARM" else frozen_policy.FrozenArmPolicy
