"""What is claimed of AppleRetrieval: what its closed form says, and docs/results/apple has found once."""

from __future__ import annotations

from fvm_eval.analysis.study_results import AREA
from fvm_eval.claims import Claim, Component

from study.claims.arms import FAR_DROP, learned
from study.config import StudyConfig
from study.methods import label_of

PLAIN = "multitask"
KEEPS, HURTS = ("bc", "ewc"), ("ks",)
INTERFERES_BELOW = 1.0  # c, from which on the two ways help each other


def apple_claims(config: StudyConfig) -> list[Claim]:
    """Returns what is claimed where the ways interfere, where they do not, and of a bad teacher."""
    if any("wrong" in str(task) for task in config.pool):
        return [bad_teacher_hurts(config)]
    if float(config.env_options["feature"]) < INTERFERES_BELOW:
        return [forgets(), keeps(config), ks_fails(config)]
    return [nothing_to_keep(config)]


def retained(name: str) -> str:
    """Returns the method that fine-tunes and keeps something by its name."""
    return f"{PLAIN}:gradient+{name}"


def forgets() -> Claim:
    """A1: plain fine-tuning loses the way back before it gets there."""
    return Claim(
        id="A1",
        statement="Fine-tuning unlearns the way back, which it does not walk at first",
        scope="where the two ways interfere",
        components=[Component(name="lost on the way back", summary=FAR_DROP, weights={PLAIN: 1}, margin=0.1)],
        preconditions=[learned(PLAIN, "task")],
    )


def keeps(config: StudyConfig) -> Claim:
    """A2: BC and EWC with the full Fisher learn the whole way sooner."""
    return Claim(
        id="A2",
        statement="BC, and EWC with the full Fisher, learn the whole way sooner than plain fine-tuning",
        scope="where the two ways interfere",
        components=[
            Component(
                name=f"{label_of(retained(name))} − {label_of(PLAIN)}",
                summary=AREA,
                weights={retained(name): 1, PLAIN: -1},
                margin=0,
                detect=config.margin,
            )
            for name in KEEPS
        ],
        preconditions=[learned(PLAIN, "task")],
    )


def ks_fails(config: StudyConfig) -> Claim:
    """A3: KS holds the agent where its teacher knows nothing of the way out."""
    return Claim(
        id="A3",
        statement="KS is slower than plain fine-tuning: its teacher knows nothing of the way out",
        components=[
            Component(
                name=f"{label_of(PLAIN)} − {label_of(retained(name))}",
                summary=AREA,
                weights={PLAIN: 1, retained(name): -1},
                margin=config.margin,
            )
            for name in HURTS
        ],
        preconditions=[learned(PLAIN, "task")],
    )


def bad_teacher_hurts(config: StudyConfig) -> Claim:
    """A5: a retention is as good as its teacher."""
    return Claim(
        id="A5",
        statement="Who keeps what a bad teacher knows is slower than plain fine-tuning from it",
        components=[
            Component(
                name=f"{label_of(PLAIN)} − {label_of(retained('bc'))}",
                summary=AREA,
                weights={PLAIN: 1, retained("bc"): -1},
                margin=0,
                detect=config.margin,
            )
        ],
    )


def nothing_to_keep(config: StudyConfig) -> Claim:
    """A4: at c = 1 there is nothing to forget, and retention changes nothing that counts."""
    return Claim(
        id="A4",
        statement="Where the two ways do not interfere nothing is lost, and BC changes nothing that counts",
        components=[
            Component(
                name="lost on the way back", summary=FAR_DROP, weights={PLAIN: 1}, kind="no gain", margin=0.05
            ),
            Component(
                name=f"{label_of(PLAIN)} − {label_of(retained('bc'))}",
                summary=AREA,
                weights={PLAIN: 1, retained("bc"): -1},
                kind="equivalence",
                margin=config.margin,
            ),
        ],
        preconditions=[learned(PLAIN, "task")],
        assay=Component(
            name=f"{label_of(PLAIN)} − {label_of('scratch')}",
            summary=AREA,
            weights={PLAIN: 1, "scratch": -1},
            margin=0,
            detect=config.margin,
        ),
    )
