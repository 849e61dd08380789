"""What was predicted of the map before any of its held-out orders was played: P1 to P4.

An arm is a row of one of the four studies, with the number of marks that its family shows: "0 marks:
multitask, rate 0.001". All points of a rival's grid are parts where a claim holds however the rival is tuned;
an arm's own point is the one that was best on validation orders.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fvm_envs.toy.catch import FAMILIES
from fvm_eval.analysis.study_results import AREA
from fvm_eval.claims import Claim, Component

from study.claims.arms import learned, rival_learned
from study.config import StudyConfig
from study.methods import Method, Row, label_of
from study.tuning.grid import points_of

SCRATCH, MULTITASK, RESET = "scratch", "multitask", "multitask:gradient+head-reset"
SCHEDULES = ("reptile-printed", "reptile-authors")
RL2, CONTROL = "rl2", "rl2-reset"
LOW_RATES = (1e-3, 2.5e-3)  # at which the pilot's multi-task stayed below .4
WORSE, NO_WORSE, BETTER = 0.10, 0.05, 0.05  # of the return's range, 0 to 1
EARLY = (16, 48, 192)
OF_OPTIMUM = 0.8
EXPLORES = f"RL² reaches {OF_OPTIMUM} of the best possible return on its training orders"


def value_after(env_step: int) -> str:
    """Returns the name of the summary of scores after so many env steps."""
    return f"Value after {env_step:,} env steps"


def marks_of(config: StudyConfig) -> int:
    """Returns how many marks of the legend a study's family shows."""
    return FAMILIES[config.family.rsplit("/", 1)[-1]].marks


def arm(config: StudyConfig, row: str) -> str:
    """Returns the name of a row beside those of the other studies."""
    return f"{marks_of(config)} marks: {row}"


def rows(config: StudyConfig, method: str) -> list[str]:
    """Returns the rows of a method, one for each point of the grid."""
    parsed = Method.parse(method)
    return [replace(Row(parsed.name), point=point.name).name for point in points_of(config, parsed)]


def chosen(config: StudyConfig, method: str) -> str:
    """Returns the row of a method at the point that was best on validation orders; its only one else.

    What was chosen of a pretraining, as RL2's meta-training rate, is no row of the study.
    """
    best = replace(Row(Method.parse(method).name), point=config.chosen.get(method, "")).name
    mine = rows(config, method)
    return best if best in mine else mine[0]


def at_rate(config: StudyConfig, method: str, rate: float) -> str:
    """Returns the row of a method at a rate of the grid."""
    return replace(Row(Method.parse(method).name), point=f"rate {rate:g}").name


def minus(
    config: StudyConfig, mine: str, other: str, summary: str, margin: float = 0.0, **more: object
) -> Component:
    """Returns the component that a row exceeds another of the same study by a margin."""
    return Component(
        name=f"{label_of(mine)} − {label_of(other)}, {summary[0].lower()}{summary[1:]}",
        summary=summary,
        weights={arm(config, mine): 1.0, arm(config, other): -1.0},
        margin=margin,
        detect=WORSE,
        **more,  # type: ignore[arg-type]
    )


def map_claims(hidden: StudyConfig, visible: StudyConfig) -> list[Claim]:
    """Returns P1 to P4, of the study without a legend and of the one with all of it.

    Args:
        hidden: With the grid as it was tuned and the chosen points.
        visible: The same.
    """
    budget = value_after(hidden.adapt.env_steps)
    reset = chosen(hidden, RESET)
    tells = minus(
        hidden, at_rate(hidden, RESET, LOW_RATES[0]), at_rate(hidden, MULTITASK, LOW_RATES[0]), budget, WORSE
    )
    return [
        first(hidden, budget, reset, tells),
        Claim(
            id="P2",
            statement="Hidden tasks: no Reptile schedule exceeds multi-task with its heads redrawn",
            scope=f"by {BETTER} of the range, however Reptile is tuned",
            components=[
                minus(
                    hidden, row, reset, budget, BETTER, kind="no gain", rival_learned=rival_learned(schedule)
                )
                for schedule in SCHEDULES
                for row in rows(hidden, schedule)
            ],
            preconditions=[learned(MULTITASK)],
            assay=tells,
        ),
        third(hidden, visible, [budget, AREA]),
        fourth(hidden, budget, reset),
    ]


def first(hidden: StudyConfig, budget: str, reset: str, tells: Component) -> Claim:
    """Returns P1: what multi-task loses where the task is hidden is in its heads."""
    loses = [
        minus(
            hidden,
            at_rate(hidden, SCRATCH, rate),
            at_rate(hidden, MULTITASK, rate),
            budget,
            WORSE,
            rival_learned=rival_learned(MULTITASK),
        )
        for rate in LOW_RATES
    ]
    keeps = [
        minus(hidden, mine, other, budget, NO_WORSE, kind="non-inferiority")
        for mine, other in zip(rows(hidden, RESET), rows(hidden, SCRATCH), strict=True)
    ]
    gains = [minus(hidden, reset, other, AREA) for other in rows(hidden, SCRATCH)]
    return Claim(
        id="P1",
        statement="Hidden tasks: multi-task loses to scratch, and with its heads redrawn it does not",
        scope="at the two lower rates; no worse at every rate; ahead in area however scratch is tuned",
        components=[*loses, *keeps, *gains],
        preconditions=[learned(MULTITASK)],
        assay=tells,
    )


def third(hidden: StudyConfig, visible: StudyConfig, summaries: Sequence[str]) -> Claim:
    """Returns P3: what Reptile that hardly moves gains over multi-task falls with what can be seen."""
    parts = []
    for summary in summaries:
        for rate in LOW_RATES:
            mine, other = (at_rate(hidden, name, rate) for name in (SCHEDULES[0], MULTITASK))
            weights = {
                arm(hidden, mine): 1.0,
                arm(hidden, other): -1.0,
                arm(visible, mine): -1.0,
                arm(visible, other): 1.0,
            }
            pair = f"({label_of(mine)} − {label_of(other)})"
            name = f"{pair}, 0 marks − 4 marks, {summary[0].lower()}{summary[1:]}"
            parts.append(Component(name=name, summary=summary, weights=weights, margin=WORSE, detect=WORSE))
    return Claim(
        id="P3",
        statement="Reptile .1 → 0 gains more over multi-task where the task is hidden than where it is seen",
        scope=f"by more than {WORSE} of the range, at the two lower rates, at the budget and in area",
        components=parts,
        preconditions=[learned(MULTITASK)],
    )


def fourth(hidden: StudyConfig, budget: str, reset: str) -> Claim:
    """Returns P4: RL2 is first at once, and is overtaken."""
    rivals = [
        (row, rival_learned(name))
        for name in (SCRATCH, MULTITASK, RESET, *SCHEDULES, CONTROL)
        for row in rows(hidden, name)
    ]
    leads = [
        minus(hidden, RL2, other, value_after(step), rival_learned=needed)
        for step in EARLY
        for other, needed in rivals
    ]
    trails = minus(hidden, reset, RL2, budget, rival_learned=[EXPLORES])
    return Claim(
        id="P4",
        statement="Hidden tasks: RL² leads at first, and trails multi-task with its heads redrawn at last",
        scope=f"up to {EARLY[-1]} env steps however the others are tuned, and at {hidden.adapt.env_steps:,}",
        components=[*leads, trails],
        preconditions=[learned(RL2)],
    )
