"""The paper's claims on RLBench, C5 to C7 and C10 (Mandi, Abbeel, James 2022, section 5.2); success rates."""

from __future__ import annotations

from collections.abc import Mapping

from fvm_eval.analysis.study_results import VALUE
from fvm_eval.claims import Claim, Component

from study.claims.arms import BY_DEMOS, BY_TASK, at_sizes, learned, on_task, with_demos
from study.claims.cost import cheaper
from study.claims.pearl import hears, stands_still
from study.config import StudyConfig
from study.methods import label_of
from study.plan import sized

DEMOS = 2  # the most that the paper gives


def rlbench_claims(config: StudyConfig) -> list[Claim]:
    """Returns the claims of an RLBench study in which something learns."""
    if not config.methods:
        return []
    size = config.train_sizes[-1] if config.train_sizes else 1
    methods = {name: sized(name, config, size) for name in ("multitask", "reptile", "pearl")}
    return [
        without_demos(config, methods),
        demos_help_scratch(config, methods),
        stands_still("C7", config, methods),
        hears("C7z", config, methods["pearl"]),
        cheaper({name: [arm] for name, arm in methods.items()}, ("reptile", "pearl"), config.unit),
    ]


def without_demos(config: StudyConfig, methods: Mapping[str, str]) -> Claim:
    """C5: without demos multi-task and Reptile are equally good, both better than PEARL and scratch."""
    unit, parts = config.unit, []
    mine = label_of(methods["multitask"], unit)
    for name in config.held_out:
        task = config.task_id(name)
        pair = {on_task(methods["multitask"], task): 1.0, on_task(methods["reptile"], task): -1.0}
        parts.append(
            Component(
                name=f"{mine} − {label_of(methods['reptile'], unit)} on {name}",
                summary=BY_TASK,
                weights=pair,
                kind="equivalence",
                margin=config.margin,
                rival_learned=[learned(methods["reptile"], unit)],
            )
        )
        parts += [
            Component(
                name=f"{label_of(methods[ours], unit)} − {label_of(theirs, unit)} on {name}",
                summary=BY_TASK,
                weights={on_task(methods[ours], task): 1.0, on_task(theirs, task): -1.0},
                margin=0,
                detect=config.margin,
                preconditions=[learned(methods[ours], unit)],
                rival_learned=[] if theirs == "scratch" else [learned(theirs, unit)],
            )
            for ours in ("multitask", "reptile")
            for theirs in (methods["pearl"], "scratch")
        ]
    return Claim(
        id="C5",
        statement="Without demos multi-task and Reptile do equally well on each held-out task, and better "
        "than PEARL and scratch",
        scope=at_sizes(config),
        paper_says="Multi-task and Reptile reach similar success rates, above PEARL's and scratch's.",
        components=parts,
        preconditions=[learned(methods["multitask"], unit)],
        assay=Component(
            name=f"{mine} − Scratch",
            summary=VALUE,
            weights={methods["multitask"]: 1.0, "scratch": -1.0},
            margin=config.margin,
        ),
    )


def demos_help_scratch(config: StudyConfig, methods: Mapping[str, str]) -> Claim:
    """C6: demos of the test task help scratch, multi-task and Reptile less."""

    def gain(method: str, sign: float = 1.0) -> dict[str, float]:
        return {with_demos(method, DEMOS): sign, with_demos(method, 0): -sign}

    return Claim(
        id="C6",
        statement="Demos of the test task help scratch, and help multi-task and Reptile less",
        scope=f"from 0 to {DEMOS} demos",
        paper_says="Scratch profits most from demonstrations of the test task.",
        components=[
            Component(
                name=f"Scratch, {DEMOS} demos − 0",
                summary=BY_DEMOS,
                weights=gain("scratch"),
                margin=0,
                detect=config.margin,
            ),
            *(
                Component(
                    name=f"gain of Scratch − gain of {label_of(methods[rival], config.unit)}",
                    summary=BY_DEMOS,
                    weights={**gain("scratch"), **gain(methods[rival], -1.0)},
                    margin=0,
                    detect=config.margin,
                    rival_learned=[learned(methods[rival], config.unit)],
                )
                for rival in ("multitask", "reptile")
            ),
        ],
    )
