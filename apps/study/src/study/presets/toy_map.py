"""The map: which way to adapt wins, over how much of the task is hidden and how long one may adapt.

Four families of Catch that differ in how many marks of the legend are shown, so that log2(24), log2(6), 1 or
0 bits of the order are hidden. All arms that take gradients have the same grid of adaptation rates, and each
point of it is played on the held-out orders. What an arm may not differ in is held fixed: the feed-forward
arms share budget, rate and entropy of their pretraining.
"""

from __future__ import annotations

from dataclasses import replace

from fvm_learners import PPOConfig

from study.config import Evaluation, Phase, Settings, StudyConfig

FAMILIES = ("hidden-catch", "visible-catch", "one-mark-catch", "two-mark-catch")
FEED_FORWARD = (
    "scratch",
    "multitask",
    "multitask:gradient+head-reset",
    "reptile-printed",
    "reptile-authors",
)
REMEMBERING = ("rl2", "rl2-reset", "rl2:both")

PPO = PPOConfig(
    network="minatar",  # for images of a pixel a cell
    num_steps=12,  # four episodes
    num_epochs=3,
    num_minibatches=4,
    learning_rate=1.5e-3,
    discount=0.99,
    entropy_coef=0.02,
)
# RL2 trains four times as long: in 55,296 env steps it learned a part of the exploration there is to learn.
RECURRENT = Settings(
    learner={
        "recurrent": True,
        "lstm_size": 64,
        "num_steps": 24,  # two lifetimes of four trials of three steps
        "gae_lambda": 0.8,
        "learning_rate": 2.5e-3,
    },
    pretrain_env_steps=221_184,
)

MAP = StudyConfig(
    benchmark="toy",
    preset="map",
    family=f"toy/{FAMILIES[0]}",
    methods=(*FEED_FORWARD, *REMEMBERING),
    seeds=10,
    first_seed=100,  # none of these, nor those of the tuning, were used before
    looks=(5, 10),
    pool=(0, 24),
    split=(16, 4, 4),
    env_options={"cell_pixels": 1},
    pretrain=Phase(env_steps=55_296, num_envs=32, learner=PPO),
    adapt=Phase(env_steps=3_072, num_envs=16, learner=replace(PPO, entropy_coef=0.05)),
    grid={
        "adapt.learning_rate": (1e-3, 2.5e-3, 5e-3, 1e-2),
        "adapt.entropy_coef": (0.05,),
        "pretrain.learning_rate": (1.25e-3, 2.5e-3),  # RL2's
    },
    evaluation=Evaluation(
        snapshots=6,
        # 16 is the first row of envs after a lifetime of 12 steps; gradients come from 192 on.
        at=(0, 16, 48, 192, 768, 1_536, 3_072),
        episodes=80,
        training_tasks=16,
        training_episodes=20,
        max_steps=100,
        num_envs=80,
    ),
    settings={
        "rl2": replace(RECURRENT, config={"trials": 4}),
        "rl2-reset": RECURRENT,
    },
    score_bounds=(0.0, 1.0),
    note="A toy: it shows whether methods do what they should where the best return is known.",
)
