"""The paper's claims on Atari, C8 to C10 (Mandi, Abbeel, James 2022, section 5.3), human-normalised."""

from __future__ import annotations

from collections.abc import Sequence

from fvm_eval.analysis.study_results import ZERO_SHOT
from fvm_eval.claims import Claim, Component, steps

from study.arm_names import on_task
from study.claims.arms import BY_TASK, at_sizes, learned
from study.claims.cost import cheaper
from study.claims.pearl import hears, stands_still
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
        stands_still("C9", config, largest),
        hears("C9z", config, largest["pearl"]),
        grows(config, methods["pearl"]),
        cheaper(methods, META, config.unit),
    ]


def beats_scratch_everywhere(config: StudyConfig, method: str) -> Claim:
    """C8, turned round: the paper denies it of every method."""
    label = label_of(method, config.unit)
    return Claim(
        id=f"C8 {method.partition('@')[0]}",
        statement=f"{label} beats scratch on every held-out game",
        scope=at_sizes(config),
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


def grows(config: StudyConfig, sizes: Sequence[str]) -> Claim:
    """C9, second half: more training games help PEARL zero-shot."""
    named = {f"{size} games": {arm: 1.0} for size, arm in zip(config.train_sizes, sizes, strict=True)}
    if len(named) < 2:
        named = {"fewer games": {f"{sizes[-1]} on fewer games": 1.0}, **named}
    return Claim(
        id="C9b",
        statement="PEARL's zero-shot score grows with the number of training games, at each step",
        scope=at_sizes(config),
        paper_says="PEARL begins better after 10 games than after 5.",
        components=steps("PEARL", ZERO_SHOT, named, detect=config.margin),
        preconditions=[learned(arm, config.unit) for arm in sizes],
    )
