"""Looks: how often a study was judged while it grew, and what each verdict may spend for it.

A look is a verdict on a distinct set of finished clusters, known by a hash of their keys; judging the same
set again is the same look. Looking at 5, 8, 12, 20 and 40 seeds and stopping at the first verdict turns a
false-positive rate of .05 into .16 (t-tests, simulated).

* Planned looks spend alpha as Lan and DeMets 1983 do, O'Brien and Fleming's shape: by the share t of the
  largest planned number of seeds 2 - 2 Phi(z(1 - alpha / 2) / sqrt(t)) is spent. A look's own level is that
  at which the chance to have stopped wrongly by then is exactly so much (Armitage, McPherson & Rowe 1969).
* The k-th unplanned look has .3 / (pi k)^2, which sums to .05. Planned looks have theirs beside it: without a
  plan the first look is the plan at .05, and five looks, four of them unplanned, are wrong in .07 of studies.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy import special

from fvm_eval.statistics.roots import root

if TYPE_CHECKING:
    from fvm_eval.claims.claim import Claim

Array = npt.NDArray[np.float64]
_GRID = 801


@dataclass(frozen=True)
class Look:
    """A verdict on one set of finished clusters.

    Attributes:
        clusters: SHA-256 of their sorted keys.
        checkpoints: Fewest checkpoints of a method.
        planned: Whether it was fixed beforehand.
        asked: SHA-256 of the claims that were decided; empty in logs that did not keep it.
    """

    clusters: str
    checkpoints: int
    planned: bool
    asked: str = ""


def clusters_hash(keys: Iterable[str]) -> str:
    """Returns the SHA-256 of a set of clusters' keys, whatever their order."""
    return hashlib.sha256(json.dumps(sorted(set(keys))).encode()).hexdigest()


def asked_hash(claims: Iterable[Claim]) -> str:
    """Returns the SHA-256 of what claims ask, not of their words: parts with weights, kinds, margins."""
    asked = []
    for claim in claims:
        parts = [*claim.components, *([] if claim.assay is None else [claim.assay])]
        asked.append([claim.id, claim.min_checkpoints, [part.asked for part in parts]])
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()


def looked(
    log: Sequence[Look], keys: Iterable[str], checkpoints: int, planned: Sequence[int], asked: str = ""
) -> tuple[Look, ...]:
    """Returns the log with this look, which is added only if these clusters were not judged so before.

    Args:
        log: Earlier looks, first to last.
        keys: Of the finished clusters.
        checkpoints: Fewest of a method.
        planned: Numbers of checkpoints at which looks were planned; without any the first look is the plan.
        asked: Of the claims (`asked_hash`): other claims on the same clusters are another look.
    """
    found = clusters_hash(keys)
    if any(look.clusters == found and look.asked in ("", asked) for look in log):
        return tuple(log)
    sizes = [look.checkpoints for look in log if look.planned]
    due = (checkpoints in planned or (not planned and not log)) and checkpoints not in sizes
    return (*log, Look(found, checkpoints, due and all(size < checkpoints for size in sizes), asked))


def as_planned(log: Iterable[Look], planned: Sequence[int]) -> tuple[Look, ...]:
    """Returns a log whose looks count as planned only where their checkpoints rise; without a plan, one does.

    Logs of several people are put together as their runs are: a second look at as many is one more.
    """
    last, found = 0, []
    for look in log:
        counts = look.planned and look.checkpoints > last and (bool(planned) or not last)
        last = look.checkpoints if counts else last
        found.append(replace(look, planned=counts))
    return tuple(found)


def level_of(log: Sequence[Look], look: Look, planned: Sequence[int], *, alpha: float = 0.05) -> float:
    """Returns the level at which a look of the log may decide.

    Raises:
        ValueError: The look is not in the log.
    """
    if look not in log:
        raise ValueError(f"the look at {look.checkpoints} checkpoints is not in the log")
    before = log[: list(log).index(look) + 1]
    same = [other for other in before if other.planned == look.planned]
    if not look.planned:
        return 6 * alpha / (math.pi * len(same)) ** 2
    largest = max((*planned, look.checkpoints)) if planned else look.checkpoints
    return nominal_levels(tuple(other.checkpoints / largest for other in same), alpha)[-1]


@lru_cache(maxsize=64)
def nominal_levels(fractions: tuple[float, ...], alpha: float = 0.05) -> tuple[float, ...]:
    """Returns the two-sided level of each look at these rising shares of the information.

    The score at share t is B(t) / sqrt(t), B a Brownian motion; its density among studies that have not
    stopped is carried from look to look on a grid (Simpson).

    Raises:
        ValueError: The shares do not rise within (0, 1].
    """
    if not all(0 < a < b <= 1 for a, b in zip((1e-12, *fractions), fractions, strict=False)):
        raise ValueError(f"fractions={fractions}: expected shares of the information that rise up to 1")
    levels: list[float] = []
    running = _Running(np.zeros(1), np.ones(1))
    spent = last = 0.0
    for share in fractions:
        allowed = 2 * float(special.ndtr(special.ndtri(alpha / 2) / math.sqrt(share)))
        z = running.boundary(share, share - last, allowed - spent)
        levels.append(2 * float(special.ndtr(-z)))
        running = running.within(z * math.sqrt(share), share - last)
        spent, last = allowed, share
    return tuple(levels)


@dataclass(frozen=True)
class _Running:
    """Where B is among the studies that have not stopped: points, and their probabilities."""

    points: Array
    weights: Array

    def boundary(self, share: float, step: float, chance: float) -> float:
        """Returns the score beyond which a step of this variance ends with this probability."""

        def beyond(z: float) -> float:
            edge, sd = z * math.sqrt(share), math.sqrt(step)
            tails = special.ndtr((self.points - edge) / sd) + special.ndtr((-edge - self.points) / sd)
            return float(tails @ self.weights) - chance

        return root(beyond, 0.0, 40.0, xtol=1e-10)

    def within(self, edge: float, step: float) -> _Running:
        """Returns where B is after the step among those that stay within the edge (Simpson's weights)."""
        grid, sd = np.linspace(-edge, edge, _GRID), math.sqrt(step)
        weights = np.full(_GRID, 2.0)
        weights[1::2], weights[0], weights[-1] = 4.0, 1.0, 1.0
        density = _density((grid[:, None] - self.points[None, :]) / sd) @ self.weights / sd
        return _Running(grid, density * weights * (grid[1] - grid[0]) / 3)


def _density(z: Array) -> Array:
    """Returns the standard normal density."""
    found: Array = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    return found
