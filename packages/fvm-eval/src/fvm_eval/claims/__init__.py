"""Claims that are fixed beforehand as data, and the one function that decides them: `decide`.

`Comparison` and `judge` are the simplest claim, one method against another.
"""

from fvm_eval.claims.comparisons import Comparison, Verdict, judge
from fvm_eval.claims.components import Component, ComponentVerdict
from fvm_eval.claims.verdict import (
    Claim,
    ClaimVerdict,
    Label,
    Precondition,
    decide,
    pretraining_learned,
)

__all__ = [
    "Claim",
    "ClaimVerdict",
    "Comparison",
    "Component",
    "ComponentVerdict",
    "Label",
    "Precondition",
    "Verdict",
    "decide",
    "judge",
    "pretraining_learned",
]
