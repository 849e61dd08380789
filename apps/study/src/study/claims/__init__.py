"""What is claimed beforehand, as data; the verdicts are `fvm_eval.claims`'.

A claim whose arms a study does not have is listed all the same, as "not run". Scores are normalised.
"""

from __future__ import annotations

from fvm_eval.claims import Claim
from fvm_meta import RL2Config

from study.config import Settings, StudyConfig
from study.registry import registered


def claims_of(config: StudyConfig) -> list[Claim]:
    """Returns a study's claims, the one that the headline answers first, those of plug-ins last."""
    known = registered()
    found = list(known.benchmarks[config.benchmark].claims(config))
    for kind in known.claims.values():
        found += kind.claims(config)
    return found


def trained_trials(config: StudyConfig, name: str = "rl2") -> int:
    """Returns the trials in one of RL2's lifetimes while it was trained."""
    return RL2Config(**config.settings.get(name, Settings()).config).trials
