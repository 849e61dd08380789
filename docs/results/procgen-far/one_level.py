"""What fine-tuning on one level of Coinrun does to the levels that an agent was pretrained on.

    uv run python docs/results/procgen-far/study.py FOLDER

Procgen's quick preset with eight training levels, which are FAR here: every agent is asked about all of them
at each snapshot, while it adapts to a level that it has not seen. README.md beside it says what came of it.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from study.config import Evaluation, Far, Phase, StudyConfig
from study.presets.procgen import QUICK
from study.run import Options, run

LEVELS = 8  # to train on, and all of them asked
KEPT = ("bc", "ks", "ewc", "head-reset")
EVALUATION = Evaluation(
    snapshots=4, episodes=10, training_tasks=LEVELS, training_episodes=4, max_steps=1000, new_levels=0
)
ADAPT = replace(QUICK.adapt, env_steps=16_384)


def study() -> StudyConfig:
    """Returns the study."""
    return replace(
        QUICK,
        methods=("scratch", "multitask", *(f"multitask:gradient+{kept}" for kept in KEPT)),
        train_sizes=(LEVELS,),
        held_out=QUICK.held_out[:2],
        pretrain=Phase(env_steps=393_216, num_envs=64, learner=QUICK.pretrain.learner),
        adapt=ADAPT,
        evaluation=EVALUATION,
        far=replace(Far.in_training_tasks(EVALUATION, ADAPT), num_tasks=LEVELS, max_steps=500),
        # BC's and KS's coefficients are the paper's. EWC's gradient was .004 of the learner's own at its
        # default of 1 in docs/results/two-stage, where BC's was .49: 100 is about as strong as BC there.
        retain={"bc": {"coef": 2.0}, "ks": {"coef": 0.5, "decay": 0.99998}, "ewc": {"coef": 100.0}},
        title="Coinrun, fine-tuned on one level: what is left of eight others",
        note="A small network, 5 actions, plain backgrounds and small budgets; nothing tuned.",
    )


if __name__ == "__main__":
    run(study(), Options(output=Path(sys.argv[1]), workers=1, tracking=False, plain=True))
