"""Registers what fvm brings, in the order in which it is shown."""

from __future__ import annotations

from study.claims.retention import retention_claims
from study.engines.launchers import LAUNCHERS
from study.learners import LEARNERS
from study.measures import MEASURES
from study.methods import METHODS
from study.presets.apple import APPLE
from study.presets.atari import ATARI
from study.presets.procgen import PROCGEN
from study.presets.rlbench import RLBENCH
from study.presets.toy import TOY
from study.presets.two_stage import TWO_STAGE
from study.registry import ClaimKind, register
from study.retentions import RETENTIONS

C11 = ClaimKind(name="retention", claims=retention_claims)

register(*LAUNCHERS, *LEARNERS, *METHODS, *RETENTIONS, *MEASURES)
register(PROCGEN, ATARI, TOY, RLBENCH, APPLE, TWO_STAGE, C11)
