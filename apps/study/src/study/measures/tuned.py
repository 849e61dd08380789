"""Whether the fine-tuning that a retention is compared with is the best plain one, for claim C11."""

from __future__ import annotations

from collections.abc import Sequence

from fvm_eval.claims import Precondition

from study.claims.retention import TUNED
from study.learners import kind_of
from study.methods import Method
from study.registry import Findings, Finished, Measure, registered
from study.results.evidence import SHIPPED, TUNING_SPENT, tuning

# What plain fine-tuning must have been given a chance with, as arms of the study, where its learner can: a
# learner whose values are its policy has no critic to warm up, and none is paid for being undecided.
ASKED = {
    "critic-warm-up": ("+critic-warm-up",),
    "entropy off": ("+entropy-off",),
    "head reset": ("+head-reset", ":encoder"),  # the same by two names: only the encoder is taken over
}


def tuned(methods: Sequence[str], trials: int, able: frozenset[str]) -> Precondition:
    """Returns whether a study tunes its fine-tuning and has the arms that plain fine-tuning may need.

    Args:
        methods: Of the study.
        trials: With which its plain fine-tuning was tuned.
        able: Capabilities of its learner.
    """
    lacking = [
        what
        for what, marks in ASKED.items()
        if registered().retentions[marks[0].removeprefix("+")].needs <= able
        and not any(mark in method for mark in marks for method in methods)
    ]
    reasons = [] if trials else ["no tuning trials"]
    reasons += [f"no arm with {' or '.join(lacking)}"] if lacking else []
    return Precondition(TUNED, not reasons, "; ".join(reasons) or f"{trials} trials, all these arms were run")


def findings(finished: Finished) -> Findings:
    """Returns that precondition where something is retained."""
    methods = finished.config.methods
    if not any("+" in method for method in methods):
        return Findings()
    able = kind_of(finished.config.adapt.learner).capabilities
    return Findings(preconditions=[tuned(methods, trials_of_plain(finished), able)])


def trials_of_plain(finished: Finished) -> int:
    """Returns with how many trials plain fine-tuning was tuned: of the study's own, or points of a grid.

    Of a grid the checklist's ledger tells them, of several plain fine-tunings the fewest.
    """
    config, root = finished.config, finished.store.root
    if not (root / SHIPPED / TUNING_SPENT).is_file():
        return config.trials
    plain = {Method.parse(name.partition("+")[0]).name for name in config.methods if "+" in name}
    ledger = tuning(config, sorted(plain), finished.store)
    return 0 if ledger is None else min(len(ledger.filter(method=name)) for name in plain)


TUNED_BASELINE = Measure(name="tuned", findings=findings)
