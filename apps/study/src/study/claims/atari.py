"""The paper's claims on Atari, C8 to C10 (Mandi, Abbeel, James 2022, section 5.3), human-normalised."""

from __future__ import annotations

from collections.abc import Sequence

from fvm_eval.analysis.study_results import ZERO_SHOT
from fvm_eval.claims import Claim, Component

from study.claims.arms import (
    BY_LATENT,
    BY_MOMENT,
    BY_TASK,
    CONTROL,
    learned,
    moment,
    on_task,
    spoken,
    with_latent,
)
from study.claims.cost import cheaper
from study.config import StudyConfig
from study.methods import label_of
from study.plan import sized

META = ("reptile", "pearl")


def atari_claims(config: StudyConfig) -> list[Claim]:
    """Returns the claims of an Atari study."""
    sizes = config.train_sizes
    methods = {name: [sized(name, config, size) for size in sizes] for name in ("multitask", *META)}
    largest = {name: arms[-1] for name, arms in methods.items()}
    return [
        *(beats_scratch_everywhere(config, arm) for arm in largest.values()),
        stands_still(config, largest),
        hears(config, largest["pearl"]),
        grows(config, methods["pearl"]),
        cheaper(methods, META, config.unit),
    ]


def beats_scratch_everywhere(config: StudyConfig, method: str) -> Claim:
    """C8, turned round: the paper denies it of every method."""
    label = label_of(method, config.unit)
    return Claim(
        id=f"C8 {method.partition('@')[0]}",
        statement=f"{label} beats scratch on every held-out game.",
        paper_says="No method beats training from scratch consistently.",
        components=[
            Component(
                name=f"{label} − Scratch on {game}",
                summary=BY_TASK,
                weights={
                    on_task(method, config.task_id(game)): 1,
                    on_task("scratch", config.task_id(game)): -1,
                },
                margin=0,
                detect=config.margin,
            )
            for game in config.held_out
            for task in (config.task_id(game),)
        ],
        preconditions=[learned(method, config.unit)],
    )


def stands_still(config: StudyConfig, methods: dict[str, str]) -> Claim:
    """C9: PEARL starts where multi-task and Reptile start, and does not improve."""
    pearl = methods["pearl"]

    def equal(name: str, summary: str, weights: dict[str, float]) -> Component:
        return Component(
            name=name, summary=summary, weights=weights, kind="equivalence", margin=config.margin
        )

    return Claim(
        id="C9",
        statement="PEARL starts where multi-task and Reptile start, and does not improve while it adapts.",
        paper_says="PEARL begins as well as the others, but its context brings no improvement.",
        components=[
            *(
                equal(f"zero-shot, PEARL − {label_of(methods[rival], config.unit)}", ZERO_SHOT, weights)
                for rival in ("multitask", "reptile")
                for weights in ({pearl: 1.0, methods[rival]: -1.0},)
            ),
            equal(
                "PEARL at the budget − PEARL at 0",
                BY_MOMENT,
                {moment(pearl, "the budget"): 1.0, moment(pearl, "0"): -1.0},
            ),
        ],
        # A context that is of no use, not a posterior that has collapsed.
        preconditions=[learned(pearl, config.unit), spoken(pearl, config.unit)],
        # Without a family on which PEARL does gain, standing still says nothing.
        assay=gain_on_the_control(),
    )


def hears(config: StudyConfig, pearl: str) -> Claim:
    """Whether PEARL's network listens to z at all, without which C9 says nothing of contexts."""
    return Claim(
        id="C9z",
        statement="PEARL plays worse with another task's z and with z = 0 than with the one it inferred.",
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


def grows(config: StudyConfig, sizes: Sequence[str]) -> Claim:
    """C9, second half: more training games help PEARL zero-shot."""
    large = sizes[-1]
    small = sizes[-2] if len(sizes) > 1 else f"{large} on fewer games"
    return Claim(
        id="C9b",
        statement="PEARL's zero-shot score grows with the number of training games.",
        paper_says="PEARL begins better after 10 games than after 5.",
        components=[
            Component(
                name="zero-shot, more games − fewer",
                summary=ZERO_SHOT,
                weights={large: 1, small: -1},
                margin=0,
                detect=config.margin,
            )
        ],
        preconditions=[learned(large, config.unit)],
    )


def gain_on_the_control() -> Component:
    """What PEARL must gain on the control family, a part of the best return there."""
    return Component(
        name="gain of PEARL on the control family",
        summary=CONTROL,
        weights={moment("pearl", "the budget"): 1, moment("pearl", "0"): -1},
        margin=0.05,
    )
