"""C10, on every benchmark: what pretraining costs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from fvm_eval.analysis.study_results import LOG_SECONDS
from fvm_eval.claims import Claim, Component

from study.claims.arms import SECONDS_TO_SCORE
from study.methods import label_of

ONE_DEVICE = "Seconds were taken on one kind of device"


def cheaper(methods: Mapping[str, Sequence[str]], rivals: Sequence[str], unit: str) -> Claim:
    """C10: multi-task costs less than meta-training."""
    what = {LOG_SECONDS: "at equal env steps", SECONDS_TO_SCORE: "to scratch's final score"}
    return Claim(
        id="C10",
        statement="Multi-task pretraining costs fewer device seconds than meta-training",
        scope="on this machine, one pretraining of each",
        preconditions=[ONE_DEVICE],
        paper_says="Multi-task pretraining is simpler and computationally cheaper.",
        components=[
            Component(
                name=f"log(seconds of {label_of(theirs, unit)} / of {label_of(mine, unit)}) {which}",
                summary=summary,
                weights={theirs: 1, mine: -1},
                margin=0,
                detect=math.log(1.1),
            )
            for summary, which in what.items()
            for rival in rivals
            for mine, theirs in zip(methods["multitask"][-1:], methods[rival][-1:], strict=True)
        ],
    )
