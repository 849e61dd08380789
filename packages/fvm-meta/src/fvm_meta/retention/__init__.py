"""Retention: what keeps an old skill while a learner fine-tunes. Each has a file; start with
`retention.py`.
"""

from fvm_meta.retention.bc import BC, BCConfig
from fvm_meta.retention.drift import Drift, DriftConfig
from fvm_meta.retention.em import EM, EMConfig
from fvm_meta.retention.ewc import EWC, EWCConfig
from fvm_meta.retention.kept import LookBack
from fvm_meta.retention.ks import KS, KSConfig
from fvm_meta.retention.l2 import L2, L2Config, L2Init, L2InitConfig
from fvm_meta.retention.parts import (
    CriticWarmUp,
    CriticWarmUpConfig,
    Freeze,
    FreezeConfig,
    HeadOnly,
    HeadOnlyConfig,
    HeadReset,
    HeadResetConfig,
    ResetSigmas,
    SigmasConfig,
)
from fvm_meta.retention.retention import Retention, Schedule, Teacher
from fvm_meta.retention.shrink_perturb import ShrinkPerturb, ShrinkPerturbConfig
from fvm_meta.retention.states import States

__all__ = [
    "BC",
    "EM",
    "EWC",
    "KS",
    "L2",
    "BCConfig",
    "CriticWarmUp",
    "CriticWarmUpConfig",
    "Drift",
    "DriftConfig",
    "EMConfig",
    "EWCConfig",
    "Freeze",
    "FreezeConfig",
    "HeadOnly",
    "HeadOnlyConfig",
    "HeadReset",
    "HeadResetConfig",
    "KSConfig",
    "L2Config",
    "L2Init",
    "L2InitConfig",
    "LookBack",
    "ResetSigmas",
    "Retention",
    "Schedule",
    "ShrinkPerturb",
    "ShrinkPerturbConfig",
    "SigmasConfig",
    "States",
    "Teacher",
]
