"""What was predicted of the toy families, before they were played."""

from __future__ import annotations

from fvm_eval.claims import Claim, Component
from fvm_eval.results import AREA, VALUE

from study.claims.arms import TRIAL_MARGIN, TRIALS, learned, trial
from study.config import StudyConfig
from study.methods import PRETRAININGS, label_of

# Which of two schedules was predicted to be better, by toy family.
REPTILES = {
    "visible-catch": ("reptile-authors", "reptile-printed"),
    "hidden-catch": ("reptile-printed", "reptile-authors"),
}


def toy_claims(config: StudyConfig, trials: int) -> list[Claim]:
    """Returns what was predicted of a toy family before it was played."""
    family = config.family.rsplit("/", 1)[-1]
    claims = []
    if family in REPTILES:
        better, worse = REPTILES[family]
        names = [PRETRAININGS[schedule].label for schedule in (better, worse)]
        claims.append(
            Claim(
                id="T1",
                statement=f"{names[0]} beats {names[1]} (in the other family, the reverse).",
                components=[
                    Component(
                        name=" − ".join(names),
                        summary=AREA,
                        weights={better: 1, worse: -1},
                        margin=0,
                        detect=config.margin,
                    )
                ],
            )
        )
    visible = family != "hidden-catch"
    mine, theirs = ("multitask", "scratch") if visible else ("scratch", "multitask")
    claims.append(
        Claim(
            id="T2",
            statement="Multi-task + fine-tuning beats scratch."
            if visible
            else "Scratch beats multi-task + fine-tuning.",
            components=[
                Component(
                    name=f"{label_of(mine)} − {label_of(theirs)}",
                    summary=VALUE,
                    weights={mine: 1, theirs: -1},
                    margin=config.margin,
                )
            ],
            preconditions=[learned("multitask")],
        )
    )
    if not visible:
        gain = {trial("rl2", trials): 1.0, trial("rl2", 1): -1.0}
        control = {trial("rl2-reset", trials): 1.0, trial("rl2-reset", 1): -1.0}
        rise = Component(
            name=f"RL², trial {trials} − trial 1", summary=TRIALS, weights=gain, margin=TRIAL_MARGIN
        )
        claims.append(
            Claim(
                id="T3",
                statement="RL² gains within a lifetime, RL² with its memory reset does not.",
                components=[
                    rise,
                    Component(
                        name=f"memory reset, trial {trials} − trial 1",
                        summary=TRIALS,
                        weights=control,
                        kind="equivalence",
                        margin=TRIAL_MARGIN,
                    ),
                ],
                preconditions=[learned("rl2")],
                assay=rise,
            )
        )
    return claims
