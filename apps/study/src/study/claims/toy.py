"""What was predicted of the toy families, before they were played."""

from __future__ import annotations

from dataclasses import replace

from fvm_envs.toy.catch import FAMILIES
from fvm_eval.analysis.study_results import AREA, VALUE, ZERO_SHOT
from fvm_eval.claims import Claim, Component

from study.arm_names import moment, trial, with_latent
from study.claims import trained_trials
from study.claims.arms import BY_LATENT, BY_MOMENT, TRIAL_MARGIN, TRIALS, learned, rival_learned
from study.claims.toy_map import chosen, rows
from study.config import StudyConfig
from study.methods import Method, label_of, pretraining_of
from study.tuning.grid import ADAPT

# Which of two schedules was predicted to be better, by toy family.
REPTILES = {
    "visible-catch": ("reptile-authors", "reptile-printed"),
    "hidden-catch": ("reptile-printed", "reptile-authors"),
}


def toy_claims(config: StudyConfig) -> list[Claim]:
    """Returns what was predicted of a toy family before it was played; the map's are of all its families."""
    if "pearl" in config.methods:
        return pearl_claims(config) if set(axes_within(config)) <= {ADAPT} else []
    if config.grid:
        return []
    family, trials = config.family.rsplit("/", 1)[-1], trained_trials(config)
    claims = []
    if family in REPTILES:
        better, worse = REPTILES[family]
        names = [pretraining_of(schedule).label for schedule in (better, worse)]
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
                        rival_learned=[learned(worse)],
                    )
                ],
                preconditions=[learned(better)],
            )
        )
    visible = not FAMILIES[family].hidden
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
                        kind="no gain",
                        margin=TRIAL_MARGIN,
                        preconditions=[learned("rl2-reset")],
                    ),
                ],
                preconditions=[learned("rl2")],
                assay=rise,
            )
        )
    return claims


def axes_within(config: StudyConfig) -> list[str]:
    """Returns what part of a method's settings each axis of a study's grid varies."""
    return [axis.partition(".")[0] for axis, values in config.grid.items() if len(values) > 1]


def pearl_claims(config: StudyConfig) -> list[Claim]:
    """What PEARL is for: it gains where the task is hidden, and has nothing to gain where it can be seen."""
    hidden = FAMILIES[config.family.rsplit("/", 1)[-1]].hidden
    label = label_of("pearl")
    alone = "multitask:none"  # the same network without a latent, as PEARL's without gradients
    gain = Component(
        name=f"{label} at the budget − {label} at 0",
        summary=BY_MOMENT,
        weights={moment("pearl", "the budget"): 1, moment("pearl", "0"): -1},
        margin=TRIAL_MARGIN,
    )
    better = Component(
        name=f"{label} − {label_of(alone)}",
        summary=VALUE,
        weights={"pearl": 1, alone: -1},
        margin=config.margin,
    )
    preconditions = [learned("pearl"), learned("multitask")]
    if hidden:
        heard = [
            Component(
                name=f"{label}'s z − {latent} z",
                summary=BY_LATENT,
                weights={with_latent("pearl", "inferred"): 1, with_latent("pearl", latent): -1},
                margin=TRIAL_MARGIN,
            )
            for latent in ("another task's", "zero")
        ]
        statement = "Where the task is hidden, PEARL beats the same network without a latent, by inferring."
        claim = Claim(
            id="T4",
            statement=statement,
            components=[better, gain, *heard],
            preconditions=preconditions,
        )
        return [claim, *([ahead_of_gradients(config)] if config.grid else [])]
    no_better = replace(better, weights={"pearl": -1, alone: 1}, kind="non-inferiority")
    no_better = replace(no_better, name=f"{label_of(alone)} − {label}")
    sees = Component(
        name=f"{label_of(alone)} − Scratch, before adapting",
        summary=ZERO_SHOT,
        weights={alone: 1, chosen(config, "scratch"): -1},
        margin=config.margin,
    )
    return [
        Claim(
            id="T5",
            statement="Where the task can be seen, PEARL does not beat the same network without a latent.",
            paper_says="Vision tells tasks apart, so that a latent brings nothing.",
            components=[no_better],
            preconditions=preconditions,
            assay=sees,
        )
    ]


def ahead_of_gradients(config: StudyConfig) -> Claim:
    """Returns that PEARL has more under its curve than whoever fine-tunes, at every point of their grid."""
    learners = [name for name in config.methods if Method.parse(name).way.does == "learns"]
    return Claim(
        id="T6",
        statement="Where the task is hidden, PEARL has more under its curve than what fine-tunes",
        scope="however that is tuned",
        components=[
            Component(
                name=f"{label_of('pearl')} − {label_of(row)}, area under the curve",
                summary=AREA,
                weights={"pearl": 1, row: -1},
                margin=0,
                detect=config.margin,
                rival_learned=rival_learned(name),
            )
            for name in learners
            for row in rows(config, name)
        ],
        preconditions=[learned("pearl")],
    )
