"""Registers what fvm brings, in the order in which it is shown."""

from __future__ import annotations

from study.learners import LEARNERS
from study.measures import MEASURES
from study.methods import METHODS
from study.presets.atari import ATARI
from study.presets.procgen import PROCGEN
from study.presets.rlbench import RLBENCH
from study.presets.toy import TOY
from study.registry import register, registered

register(*LEARNERS, *METHODS, *MEASURES, PROCGEN, ATARI, TOY, RLBENCH)

BUILT_IN = {kind: frozenset(records) for kind, records in vars(registered()).items()}
