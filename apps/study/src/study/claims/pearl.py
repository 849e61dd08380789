"""What the paper says of PEARL on RLBench (C7) and Atari (C9): it starts with the others and stands still."""

from __future__ import annotations

from collections.abc import Mapping

from fvm_eval.analysis.study_results import ZERO_SHOT
from fvm_eval.claims import Claim, Component

from study.arm_names import moment, with_latent
from study.claims.arms import BY_LATENT, BY_MOMENT, CONTROL, at_sizes, learned, spoken
from study.config import StudyConfig
from study.methods import label_of

CONTROL_GAIN = 0.05  # of the best return on the control family


def stands_still(id: str, config: StudyConfig, methods: Mapping[str, str]) -> Claim:
    """PEARL starts where multi-task and Reptile start, and does not improve: a bound on its gain."""
    pearl = methods["pearl"]
    return Claim(
        id=id,
        statement="PEARL starts where multi-task and Reptile start, and gains nothing while it adapts",
        scope=at_sizes(config),
        paper_says="PEARL begins as well as the others, but its context brings no improvement.",
        components=[
            *(
                Component(
                    name=f"zero-shot, PEARL − {label_of(methods[rival], config.unit)}",
                    summary=ZERO_SHOT,
                    weights={pearl: 1.0, methods[rival]: -1.0},
                    kind="equivalence",
                    margin=config.margin,
                    rival_learned=[learned(methods[rival], config.unit)],
                )
                for rival in ("multitask", "reptile")
            ),
            Component(
                name="PEARL at the budget − PEARL at 0",
                summary=BY_MOMENT,
                weights={moment(pearl, "the budget"): 1.0, moment(pearl, "0"): -1.0},
                kind="no gain",
                margin=config.margin,
            ),
        ],
        # A context that is of no use, not a posterior that has collapsed.
        preconditions=[learned(pearl, config.unit), spoken(pearl, config.unit)],
        # Without a family on which PEARL does gain, standing still says nothing.
        assay=Component(
            name="gain of PEARL on the control family",
            summary=CONTROL,
            weights={moment("pearl", "the budget"): 1, moment("pearl", "0"): -1},
            margin=CONTROL_GAIN,
        ),
    )


def hears(id: str, config: StudyConfig, pearl: str) -> Claim:
    """Whether PEARL's network listens to z at all, without which standing still says nothing of contexts."""
    return Claim(
        id=id,
        statement="PEARL plays worse with another task's z and with z = 0 than with the one it inferred",
        scope=at_sizes(config),
        components=[
            Component(
                name=f"PEARL's z − {latent} z",
                summary=BY_LATENT,
                weights={with_latent(pearl, "inferred"): 1, with_latent(pearl, latent): -1},
                margin=0,
                detect=config.margin,
            )
            for latent in ("another task's", "zero")
        ],
        preconditions=[learned(pearl, config.unit), spoken(pearl, config.unit)],
    )
