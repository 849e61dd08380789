"""What is claimed beforehand, as data; the verdicts are `fvm_eval.claims`'.

A claim whose arms a study does not have is listed all the same, as "not run". Scores are normalised.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fvm_eval.claims import Claim, check_ids
from fvm_meta import RL2Config

from study.config import Settings, StudyConfig
from study.errors import StudyError
from study.registry import Benchmark, ClaimKind, registered


def claims_of(config: StudyConfig) -> list[Claim]:
    """Returns a study's claims, the one that the headline answers first, those of plug-ins last.

    Raises:
        TypeError: A record gives something else.
        StudyError: Two claims have one id.
    """
    known = registered()
    found: list[Claim] = []
    kinds: tuple[Benchmark | ClaimKind, ...] = (known.benchmarks[config.benchmark], *known.claims.values())
    for kind in kinds:
        came: Any = kind.claims(config)
        if not isinstance(came, Sequence) or not all(isinstance(claim, Claim) for claim in came):
            raise TypeError(f"the claims of {kind.name} are {came!r}; let it give a list of Claim, or []")
        found += came
    try:
        check_ids(found)
    except ValueError as error:
        raise StudyError(str(error)) from None
    return found


def trained_trials(config: StudyConfig, name: str = "rl2") -> int:
    """Returns the trials in one of RL2's lifetimes while it was trained."""
    return RL2Config(**config.settings.get(name, Settings()).config).trials
