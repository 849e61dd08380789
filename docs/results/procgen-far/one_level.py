"""What fine-tuning on one level of Coinrun does to the levels that an agent was pretrained on.

    uv run python docs/results/procgen-far/one_level.py FOLDER [OTHER ...]

The pretrainings are those that Procgen's quick preset had then, with the learners of `small`: OTHER are
folders of studies that have them already. FAR are 32 of each agent's own 100 training levels: it is asked
about them at each snapshot, while it adapts to a level that it has not seen. README.md beside it says what
came of it.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from study.config import Evaluation, Far, StudyConfig
from study.presets.procgen import QUICK, SMALL
from study.run import Options, run

ASKED = 32
KEPT = ("bc", "ks", "ewc", "head-reset")
ADAPT = replace(SMALL.adapt, env_steps=16_384)
EVALUATION = Evaluation(
    snapshots=4, episodes=10, training_tasks=ASKED, training_episodes=4, max_steps=1000, new_levels=0
)


def one_level() -> StudyConfig:
    """Returns the study."""
    return replace(
        QUICK,
        methods=("multitask", *(f"multitask:gradient+{kept}" for kept in KEPT)),
        held_out=(200_001, 200_002),
        pretrain=replace(SMALL.pretrain, env_steps=262_144),
        adapt=ADAPT,
        settings=SMALL.settings,
        trials=2,
        evaluation=EVALUATION,
        far=replace(Far.in_training_tasks(EVALUATION, ADAPT), num_tasks=ASKED),
        # BC's and KS's coefficients are the paper's. EWC's gradient was .004 of the learner's own at its
        # default of 1 in docs/results/two-stage, where BC's was .49: 100 is about as strong as BC there.
        retain={"bc": {"coef": 2.0}, "ks": {"coef": 0.5, "decay": 0.99998}, "ewc": {"coef": 100.0}},
        title="Coinrun, fine-tuned on one level: what is left of the levels before",
        note="A small network, 5 actions, plain backgrounds and small budgets; nothing tuned.",
    )


if __name__ == "__main__":
    folder, *others = map(Path, sys.argv[1:])
    run(one_level(), Options(output=folder, cache=tuple(others), workers=1, tracking=False, plain=True))
