"""What was predicted of hidden Catch at other lengths of pretraining: L1 to L4.

An arm is a row of one of the studies, with how many times the map's budget its agents were pretrained:
"x 4: multitask, rate 0.001". Scratch pretrains nothing, and is the same in all of them.
"""

from __future__ import annotations

from collections.abc import Sequence

from fvm_eval.analysis.study_results import AREA
from fvm_eval.claims import Claim, Component

from study.claims.arms import learned, rival_learned
from study.claims.toy_map import (
    EARLY,
    EXPLORES,
    LOW_RATES,
    MULTITASK,
    NO_WORSE,
    RESET,
    RL2,
    SCHEDULES,
    SCRATCH,
    WORSE,
    at_rate,
    rows,
    value_after,
)
from study.config import StudyConfig
from study.methods import label_of

SHORT, LONG = 0.125, 4.0  # times the map's pretraining
REPTILE_RATES = (2.5e-3, 5e-3)
AREA_RATE = 5e-3


def pretrained(times: float, row: str) -> str:
    """Returns the name of a row of the study that pretrained so many times the map's budget."""
    return f"x {times:g}: {row}"


def pretraining_claims(config: StudyConfig) -> list[Claim]:
    """Returns L1 to L4.

    Args:
        config: The map's hidden Catch, with the grid as it was tuned.
    """
    budget = value_after(config.adapt.env_steps)
    loses = [longer(at_rate(config, MULTITASK, rate), budget, sign=-1, margin=WORSE) for rate in LOW_RATES]
    return [
        Claim(
            id="L1",
            statement="Hidden tasks: fine-tuned multi-task gets worse with pretraining",
            scope=f"by {WORSE} of the range from x {SHORT:g} to x {LONG:g}, at the two lower rates",
            components=loses,
            preconditions=[learned(MULTITASK)],
        ),
        Claim(
            id="L2",
            statement="Hidden tasks: multi-task with its heads redrawn does not get worse with pretraining",
            scope=f"by {NO_WORSE} of the range at any rate, and its area at {AREA_RATE:g} grows",
            components=[
                *(
                    longer(row, budget, kind="non-inferiority", margin=NO_WORSE)
                    for row in rows(config, RESET)
                ),
                longer(at_rate(config, RESET, AREA_RATE), AREA, margin=0.0, detect=WORSE),
            ],
            preconditions=[learned(MULTITASK)],
            assay=loses[0],
        ),
        Claim(
            id="L3",
            statement=f"Hidden tasks: {label_of(SCHEDULES[0])} hardly depends on how long it is pretrained",
            scope=f"within {WORSE} of the range at {' and '.join(f'{rate:g}' for rate in REPTILE_RATES)}",
            components=[
                longer(at_rate(config, SCHEDULES[0], rate), budget, kind="equivalence", margin=WORSE)
                for rate in REPTILE_RATES
            ],
            assay=loses[0],
        ),
        leads(config),
    ]


def longer(row: str, summary: str, *, sign: int = 1, **how: object) -> Component:
    """Returns the component of a row's change from the short to the long pretraining, or the reverse."""
    ends = ("x 4 − x 1/8", "x 1/8 − x 4")
    return Component(
        name=f"{label_of(row)}, {ends[sign < 0]}, {summary[0].lower()}{summary[1:]}",
        summary=summary,
        weights={pretrained(LONG, row): float(sign), pretrained(SHORT, row): float(-sign)},
        **how,  # type: ignore[arg-type]
    )


def leads(config: StudyConfig, rivals: Sequence[str] = (SCRATCH, MULTITASK, RESET, *SCHEDULES)) -> Claim:
    """Returns L4: after a long pretraining RL2 explores well, and leads before the others have adapted."""
    return Claim(
        id="L4",
        statement="Hidden tasks: RL² that is meta-trained 4 times as long leads at first",
        scope=f"up to {EARLY[-1]} env steps, however the others are tuned",
        components=[
            Component(
                name=f"{label_of(RL2)} − {label_of(row)}, {value_after(step).lower()}",
                summary=value_after(step),
                weights={pretrained(LONG, RL2): 1.0, pretrained(LONG, row): -1.0},
                margin=0.0,
                detect=WORSE,
                rival_learned=rival_learned(name),
            )
            for step in EARLY
            for name in rivals
            for row in rows(config, name)
        ],
        preconditions=[learned(RL2), EXPLORES],
    )
