"""Whether the fine-tuning that a retention is compared with is the best plain one, for claim C11."""

from __future__ import annotations

from collections.abc import Sequence

from fvm_eval.claims import Precondition

from study.claims.retention import TUNED
from study.registry import Findings, Finished, Measure

# What plain fine-tuning must have been given a chance with, as arms of the study.
ASKED = {
    "critic-warm-up": ("+critic-warm-up",),
    "entropy off": ("+entropy-off",),
    "head reset": ("+head-reset", ":encoder"),  # the same by two names: only the encoder is taken over
}


def tuned(methods: Sequence[str], trials: int) -> Precondition:
    """Returns whether a study tunes its fine-tuning and has the arms that plain fine-tuning may need."""
    lacking = [
        what
        for what, marks in ASKED.items()
        if not any(mark in method for mark in marks for method in methods)
    ]
    reasons = [] if trials else ["no tuning trials"]
    reasons += [f"no arm with {' or '.join(lacking)}"] if lacking else []
    return Precondition(TUNED, not reasons, "; ".join(reasons) or f"{trials} trials, all three arms were run")


def findings(finished: Finished) -> Findings:
    """Returns that precondition where something is retained."""
    methods = finished.config.methods
    if not any("+" in method for method in methods):
        return Findings()
    return Findings(preconditions=[tuned(methods, finished.config.trials)])


TUNED_BASELINE = Measure(name="tuned", findings=findings)
