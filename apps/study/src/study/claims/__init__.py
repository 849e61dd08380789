"""What is claimed beforehand, as data; the verdicts are `fvm_eval.claims`'.

A claim whose arms a study does not have is listed all the same, as "not run". Scores are normalised.
"""

from __future__ import annotations

from fvm_eval.claims import Claim

from study.claims.atari import atari_claims
from study.claims.procgen import procgen_claims
from study.claims.toy import toy_claims
from study.config import StudyConfig

_CLAIMS = {"atari": atari_claims, "procgen": procgen_claims, "toy": toy_claims}


def claims_of(config: StudyConfig, trials: int) -> list[Claim]:
    """Returns a study's claims, the one that the headline answers first.

    Args:
        config: Of the study.
        trials: In one of RL2's lifetimes while it was trained.
    """
    return _CLAIMS[config.benchmark](config, trials)
