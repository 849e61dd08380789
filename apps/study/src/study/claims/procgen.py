"""The paper's claims on Procgen, C1 to C4 and C10 (Mandi, Abbeel, James 2022, section 5.1)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from fvm_eval.analysis.study_results import AREA, NEW_LEVELS, VALUE
from fvm_eval.claims import Claim, Component
from fvm_eval.statistics.contrasts import slope_weights

from study.claims import trained_trials
from study.claims.arms import CONTROL, TRIAL_MARGIN, TRIALS, learned, trial
from study.claims.cost import cheaper
from study.config import StudyConfig
from study.methods import label_of
from study.plan import sized

RIVALS = ("reptile", "rl2")


def procgen_claims(config: StudyConfig) -> list[Claim]:
    """Returns the claims of a Procgen study."""
    sizes, trials = config.train_sizes, trained_trials(config)
    methods = {name: [sized(name, config, size) for size in sizes] for name in ("multitask", *RIVALS)}
    levels = {i: math.log10(size) for i, size in enumerate(sizes)}
    return [
        not_worse(config, methods),
        zero_shot_grows(methods, levels),
        advantage_grows(methods, levels),
        rl2_stands_still(methods["rl2"][-1], sized("rl2-reset", config, sizes[-1]), trials),
        cheaper(methods, RIVALS, config.unit),
    ]


def not_worse(config: StudyConfig, methods: dict[str, list[str]]) -> Claim:
    """C1: fine-tuning after multi-task pretraining is not worse than meta-RL."""
    parts = [
        Component(
            name=f"{label_of(mine)} − {label_of(theirs)}",
            summary=summary,
            weights={mine: 1, theirs: -1},
            kind="non-inferiority",
            margin=config.margin,
        )
        for summary in (VALUE, AREA)
        for rival in RIVALS
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
        statement="Multi-task pretraining + fine-tuning adapts at least as well as Reptile and RL².",
        paper_says="At 100, 1,000 and 10,000 levels multi-task + fine-tuning performs as well as or better "
        "than both, in the end and in sample efficiency.",
        components=parts,
        preconditions=[learned(method) for method in methods["multitask"]],
        assay=assay,
    )


def zero_shot_grows(methods: dict[str, list[str]], levels: dict[int, float]) -> Claim:
    """C2: multi-task's zero-shot score grows with the training levels, Reptile's less."""
    mine, theirs = (_slope(methods[name], levels) for name in ("multitask", "reptile"))
    less = {**mine, **{arm: -weight for arm, weight in theirs.items()}}
    return Claim(
        id="C2",
        statement="With more training levels multi-task's zero-shot score rises, Reptile's less.",
        paper_says="Multi-task generalises better from more levels; Reptile profits less.",
        components=[
            Component(
                name="multi-task's slope per tenfold levels",
                summary=NEW_LEVELS,
                weights=mine,
                margin=0,
                detect=0.05,
            ),
            Component(
                name="multi-task's slope − Reptile's", summary=NEW_LEVELS, weights=less, margin=0, detect=0.05
            ),
        ],
        preconditions=[learned(method) for method in methods["multitask"]],
    )


def advantage_grows(methods: dict[str, list[str]], levels: dict[int, float]) -> Claim:
    """C3: more levels widen multi-task's advantage over scratch; scratch is the same at each size."""
    return Claim(
        id="C3",
        statement="More training levels widen the advantage of multi-task + fine-tuning over scratch.",
        paper_says="The gap to scratch grows with the number of training levels.",
        components=[
            Component(
                name="slope of (multi-task − scratch) per tenfold levels",
                summary=VALUE,
                weights=_slope(methods["multitask"], levels),
                margin=0,
                detect=0.05,
            )
        ],
        preconditions=[learned(method) for method in methods["multitask"]],
    )


def rl2_stands_still(rl2: str, reset: str, trials: int) -> Claim:
    """C4: RL2's return does not improve from trial to trial."""
    last = trial(rl2, trials)
    return Claim(
        id="C4",
        statement="RL² does not improve within a lifetime.",
        paper_says="RL² shows no improvement while it adapts.",
        components=[
            Component(
                name=f"trial {trials} − trial 1",
                summary=TRIALS,
                weights={last: 1, trial(rl2, 1): -1},
                kind="equivalence",
                margin=TRIAL_MARGIN,
            ),
            Component(
                name=f"trial {trials} − the same with memory reset",
                summary=TRIALS,
                weights={last: 1, trial(reset, trials): -1},
                kind="equivalence",
                margin=TRIAL_MARGIN,
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


def _slope(methods: Sequence[str], levels: dict[int, float]) -> dict[str, float]:
    """Returns the weights of a slope; with one size those of its absent second."""
    if len(methods) < 2:
        return {methods[0]: 1.0, f"{methods[0]} at another number of levels": -1.0}
    return slope_weights({method: levels[i] for i, method in enumerate(methods)})
