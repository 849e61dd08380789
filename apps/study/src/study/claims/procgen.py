"""The paper's claims on Procgen, C1 to C4 and C10 (Mandi, Abbeel, James 2022, section 5.1).

C3 says of multi-task's advantage over scratch what says no more than C2 at another env step, since scratch is
the same arm at every size: it is reworded to multi-task's own score at the budget. Claims about sizes test
each step from one size to the next, and need the levels of a size to have been met.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fvm_eval.analysis.study_results import AREA, NEW_LEVELS, VALUE
from fvm_eval.claims import Claim, Component, steps

from study.arm_names import trial
from study.claims import trained_trials
from study.claims.arms import CONTROL, NEW_TRIALS, TRIAL_MARGIN, TRIALS, at_sizes, learned, seen
from study.claims.cost import cheaper
from study.config import StudyConfig
from study.methods import Method, counted, label_of
from study.plan import sized

DETECT = 0.05  # of the score range, by which a step should rise


def procgen_claims(config: StudyConfig) -> list[Claim]:
    """Returns the claims of a Procgen study."""
    sizes, trials = config.train_sizes, trained_trials(config)
    rivals = (reptile_of(config), "rl2")
    methods = {name: [sized(name, config, size) for size in sizes] for name in ("multitask", *rivals)}
    summary = NEW_TRIALS if config.evaluation.new_lifetimes else TRIALS
    return [
        not_worse(config, methods, rivals),
        zero_shot_grows(config, methods, rivals[0]),
        score_grows(config, methods["multitask"]),
        rl2_stands_still(methods["rl2"][-1], sized("rl2-reset", config, sizes[-1]), trials, summary),
        cheaper(methods, rivals, config.unit),
    ]


def reptile_of(config: StudyConfig) -> str:
    """Returns the Reptile that a study's claims are about: the first it has, plain Reptile where none."""
    parsed = [Method.parse(name) for name in config.methods]
    return next((one.pretraining for one in parsed if one.kind.is_a == "reptile"), "reptile")


def not_worse(config: StudyConfig, methods: Mapping[str, Sequence[str]], rivals: Sequence[str]) -> Claim:
    """C1: fine-tuning after multi-task pretraining is not worse than meta-RL."""
    parts = [
        Component(
            name=f"{label_of(mine)} − {label_of(theirs)}",
            summary=summary,
            weights={mine: 1, theirs: -1},
            kind="non-inferiority",
            margin=config.margin,
            preconditions=[learned(mine)],
            rival_learned=[learned(theirs)],
        )
        for summary in (VALUE, AREA)
        for rival in rivals
        for mine, theirs in zip(methods["multitask"], methods[rival], strict=True)
    ]
    largest = methods["multitask"][-1]
    assay = Component(
        name=f"{label_of(largest)} − Scratch",
        summary=VALUE,
        weights={largest: 1, "scratch": -1},
        margin=config.margin,
    )
    return Claim(
        id="C1",
        statement="Multi-task pretraining + fine-tuning adapts at least as well as Reptile and RL²",
        scope=at_sizes(config),
        paper_says="At 100, 1,000 and 10,000 levels multi-task + fine-tuning performs as well as or better "
        "than both, in the end and in sample efficiency.",
        components=parts,
        assay=assay,
    )


def zero_shot_grows(config: StudyConfig, methods: Mapping[str, Sequence[str]], reptile: str) -> Claim:
    """C2: multi-task's zero-shot score grows with the training levels, Reptile's less."""
    mine = _by_size(config, methods["multitask"])
    theirs = _by_size(config, methods[reptile])
    less = {size: {**mine[size], **dict.fromkeys(theirs[size], -1.0)} for size in mine}
    return Claim(
        id="C2",
        statement="With more training levels multi-task's zero-shot score rises at each step, Reptile's less",
        scope=at_sizes(config),
        paper_says="Multi-task generalises better from more levels; Reptile profits less.",
        components=[
            *steps("multi-task", NEW_LEVELS, mine, detect=DETECT),
            *steps(
                "multi-task − Reptile",
                NEW_LEVELS,
                less,
                detect=DETECT,
                rival_learned=[learned(method) for method in methods[reptile]],
            ),
        ],
        preconditions=_met(methods["multitask"]),
    )


def score_grows(config: StudyConfig, methods: Sequence[str]) -> Claim:
    """C3: multi-task's score at the budget rises with the number of training levels."""
    return Claim(
        id="C3",
        statement="Multi-task's score at the budget rises with the number of training levels, at each step",
        scope=at_sizes(config),
        paper_says="The gap to scratch, which has no training levels, grows with their number.",
        components=steps("multi-task", VALUE, _by_size(config, methods), detect=DETECT),
        preconditions=_met(methods),
    )


def rl2_stands_still(rl2: str, reset: str, trials: int, summary: str) -> Claim:
    """C4: RL2's return does not improve from trial to trial, on the levels of a summary."""
    last = trial(rl2, trials)
    return Claim(
        id="C4",
        statement="RL² gains nothing from trial to trial within a lifetime, nor by its memory",
        scope=f"over the {trials} trials that it was trained with"
        + " on new levels" * (summary == NEW_TRIALS),
        paper_says="RL² shows no improvement while it adapts.",
        components=[
            Component(
                name=f"trial {trials} − trial 1",
                summary=summary,
                weights={last: 1, trial(rl2, 1): -1},
                kind="no gain",
                margin=TRIAL_MARGIN,
            ),
            Component(
                name=f"trial {trials} − the same with memory reset",
                summary=summary,
                weights={last: 1, trial(reset, trials): -1},
                kind="no gain",
                margin=TRIAL_MARGIN,
                rival_learned=[learned(reset)],
            ),
        ],
        preconditions=[learned(rl2)],
        # Without a family on which this RL2 does gain, standing still says nothing.
        assay=Component(
            name="gain of RL² on the control family",
            summary=CONTROL,
            weights={trial("rl2", trials): 1, trial("rl2", 1): -1},
            margin=TRIAL_MARGIN,
        ),
    )


def _by_size(config: StudyConfig, methods: Sequence[str]) -> dict[str, dict[str, float]]:
    """Returns the arm of each size; with one size also that of its absent second."""
    sizes = [counted(size, config.unit) for size in config.train_sizes]
    arms = {size: {method: 1.0} for size, method in zip(sizes, methods, strict=True)}
    if len(arms) < 2:
        arms[f"another number of {config.unit}s"] = {f"{methods[0]} at another number of levels": 1.0}
    return arms


def _met(methods: Sequence[str]) -> list[str]:
    """Returns the preconditions of every size: that it learned, and met most of its levels."""
    return [name for method in methods for name in (learned(method), seen(method))]
