"""Claims that are fixed beforehand as data, and the one function that decides them: `decide`.

`Comparison` and `judge` are the simplest claim, one method against another; `steps` and `however_tuned` make
claims of the shapes that are easiest to get wrong by hand; `looks` says at which level a growing study may
decide.
"""

from fvm_eval.claims.claim import LABELS, Claim, Label, Unit, check_ids
from fvm_eval.claims.comparisons import Comparison, judge
from fvm_eval.claims.components import Component, ComponentVerdict
from fvm_eval.claims.decision import ClaimVerdict, decide
from fvm_eval.claims.learned import pretraining_learned
from fvm_eval.claims.looks import Look
from fvm_eval.claims.preconditions import Precondition
from fvm_eval.claims.shapes import however_tuned, steps

__all__ = [
    "LABELS",
    "Claim",
    "ClaimVerdict",
    "Comparison",
    "Component",
    "ComponentVerdict",
    "Label",
    "Look",
    "Precondition",
    "Unit",
    "check_ids",
    "decide",
    "however_tuned",
    "judge",
    "pretraining_learned",
    "steps",
]
