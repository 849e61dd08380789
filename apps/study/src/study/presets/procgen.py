"""Procgen presets.

Training levels are drawn from 0:100_000. Validation levels start at 100_000, held-out levels at 200_000, new
levels for the zero-shot score at 300_000, so no seed can train on them. Held-out and validation levels are
the first in their range that the scripted player `always_right` wins in 5 to 50 % of 40 episodes: they can be
won, and they leave something to learn.
They were chosen before any agent was trained, by

    uv run python -m study.headroom procgen/coinrun-easy 200_000 20
    uv run python -m study.headroom procgen/coinrun-hard 200_000 20
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from fvm_envs import Task
from fvm_envs.procgen import GAMES, MODES, StartStates
from fvm_envs.suite import SUITES
from fvm_learners import SMALL_CPU, TRAIN_PROCGEN

from study.claims.procgen import procgen_claims
from study.config import Evaluation, Far, Phase, Settings, StudyConfig
from study.errors import StudyError, unknown
from study.registry import Benchmark

NEW_LEVELS = 300_000
GOAL = (0.0, 10.0)  # the goal or nothing, in:
GOAL_GAMES = ("coinrun", "heist", "jumper", "leaper", "maze", "ninja")
EASY_HELD_OUT = (
    200_001,
    200_002,
    200_005,
    200_007,
    200_009,
    200_015,
    200_017,
    200_020,
    200_023,
    200_026,
    200_027,
    200_029,
    200_031,
    200_033,
    200_037,
    200_041,
    200_042,
    200_043,
    200_044,
    200_050,
)
EASY_VALIDATION = (100_007, 100_010, 100_015, 100_016, 100_018, 100_020, 100_021, 100_027, 100_032, 100_033)
HARD_HELD_OUT = (
    200_002,
    200_006,
    200_018,
    200_022,
    200_024,
    200_026,
    200_031,
    200_032,
    200_033,
    200_034,
    200_035,
    200_036,
    200_041,
    200_045,
    200_046,
    200_048,
    200_051,
    200_055,
    200_056,
    200_066,
)
HARD_VALIDATION = (100_000, 100_001, 100_002, 100_003, 100_007, 100_008, 100_009, 100_011, 100_017, 100_020)

# What learns on a CPU: five actions instead of fifteen, plain backgrounds, one theme, gamma .99.
SMALL_ENV = {"actions": "coinrun", "use_backgrounds": False, "restrict_themes": True}

# Half the envs of pretraining and minibatches of the same size. Epochs: 2 and 4 were tried once for each
# method that fine-tunes, on validation levels 100_007, 100_010, 100_015, 100_016 and 100_020, 40,960 steps
# each: scratch reached 1.4 and 0.9, multi-task 4.9 and 6.5, Reptile 5.0 and 5.4.
ADAPT_CPU = replace(SMALL_CPU, num_minibatches=8, num_epochs=4)

# RL2's base learner: the same network with an LSTM. A discount of .99 leaves .25 of a reward that comes a
# trial of 139 steps later, .997 leaves .66. RL2's two trials on those levels were these: 2.8 and 2.0, each of
# 50 episodes with a standard error of .6. Backpropagation is cut at the end of a rollout of 64 steps.
RECURRENT_CPU = {"recurrent": True, "lstm_size": 128, "discount": 0.997}
TRIALS = 4  # episodes in a lifetime
SETTINGS_CPU = {
    "rl2": Settings(config={"trials": TRIALS}, learner=RECURRENT_CPU),
    "rl2-reset": Settings(learner=RECURRENT_CPU),
}

# `quick` takes .6 of the time of those: half the image, half the samples an optimiser step and half the
# epochs, so there are as many steps. An LSTM is slow on two slots: RL2's minibatches stay at four. Tried on
# validation levels, after three others (docs/benchmarks.md, "The default study").
PRETRAIN_QUICK = replace(SMALL_CPU, network="nature-halved", num_epochs=1, num_minibatches=32)
ADAPT_QUICK = replace(PRETRAIN_QUICK, num_epochs=2, num_minibatches=16)
RECURRENT_QUICK = {**RECURRENT_CPU, "num_minibatches": 16}

QUICK = StudyConfig(
    benchmark="procgen",
    preset="quick",
    family="procgen/coinrun-easy",
    methods=("scratch", "multitask", "reptile", "rl2"),
    seeds=3,
    train_sizes=(100,),
    pool=(0, 100_000),
    validation=EASY_VALIDATION,
    held_out=EASY_HELD_OUT[:4],
    env_options=SMALL_ENV,
    pretrain=Phase(env_steps=262_144, num_envs=64, learner=PRETRAIN_QUICK),
    adapt=Phase(env_steps=32_768, num_envs=32, learner=ADAPT_QUICK),
    evaluation=Evaluation(
        snapshots=4, episodes=10, training_tasks=32, training_episodes=4, max_steps=1000, new_levels=64
    ),
    new_levels_from=NEW_LEVELS,
    settings={name: replace(settings, learner=RECURRENT_QUICK) for name, settings in SETTINGS_CPU.items()},
    script="always_right",
    score_bounds=GOAL,
    trials=6,  # ADAPT_CPU, RECURRENT_CPU; four for PRETRAIN_QUICK
    note="Not the paper's setting: a small network, 5 actions, plain backgrounds and tiny budgets, so that "
    "it runs in minutes on two cores. It checks the pipeline; it cannot decide the question. As it comes, "
    "Reptile takes 21 outer steps, each on the first 192 steps of a level's episodes.",
)

# Reptile with 16 levels a step and rollouts as long as episodes (139 steps on average): 16 levels x 16 envs x
# 256 steps are 65,536 env steps, so that the same budget has 18 outer steps. With restarts: 96 of one level,
# which then is seen for its first 192 steps.
LONG_ROLLOUTS = Settings(config={"inner_updates": 1}, pretrain={"num_steps": 256}, pretrain_num_envs=16)
SMALL = replace(
    QUICK,
    preset="small",
    methods=(
        "scratch",
        "multitask",
        "multitask:gradient+head-reset",
        "multitask:gradient+bc",
        "reptile-batch",
        "reptile",
        "rl2",
        "rl2-reset",
    ),
    seeds=8,
    looks=(5, 8),
    validation=EASY_VALIDATION[:4],
    held_out=EASY_HELD_OUT[:8],
    pretrain=Phase(env_steps=1_179_648, num_envs=64, learner=SMALL_CPU),
    adapt=Phase(env_steps=32_768, num_envs=32, learner=ADAPT_CPU),
    grid={
        "adapt.learning_rate": (2.5e-4, 5e-4, 1e-3),
        "adapt.entropy_coef": (0.01, 0.03),
        "pretrain.learning_rate": (2.5e-4, 5e-4),  # RL2's
    },
    only_chosen=True,
    settings={**SETTINGS_CPU, "reptile-batch": LONG_ROLLOUTS},
    trials=0,
    evaluation=replace(QUICK.evaluation, snapshots=6, new_levels=400, new_lifetimes=2, trials=TRIALS),
    note="Not the paper's setting: a small network, 5 actions, plain backgrounds, small budgets. As it "
    "comes, it has one training-set size, and Reptile takes 18 outer steps of 16 levels (with restarts 96 "
    "of one level), the paper's 500.",
)

PAPER = StudyConfig(
    benchmark="procgen",
    preset="paper",
    family="procgen/coinrun-hard",  # train-procgen's default mode
    methods=("scratch", "multitask", "reptile", "rl2", "rl2-reset"),
    seeds=5,  # Mandi, Abbeel, James 2022, figure 4
    train_sizes=(100, 1_000, 10_000),  # section 3.1
    pool=(0, 100_000),
    validation=HARD_VALIDATION,
    held_out=HARD_HELD_OUT,  # 20 unseen levels, section 3.2
    env_options={"actions": "full"},
    # 1,500 iterations of 256 envs x 256 steps
    pretrain=Phase(env_steps=98_304_000, num_envs=256, learner=TRAIN_PROCGEN),
    adapt=Phase(env_steps=2_000_000, num_envs=64, learner=TRAIN_PROCGEN),  # section 3.2
    evaluation=Evaluation(
        snapshots=20, episodes=20, training_tasks=64, training_episodes=4, max_steps=1000, new_levels=1000
    ),
    new_levels_from=NEW_LEVELS,
    settings={
        "rl2": Settings(config={"trials": TRIALS}, learner={"recurrent": True}),
        "rl2-reset": Settings(learner={"recurrent": True}),
    },
    script="always_right",
    score_bounds=GOAL,
    note="The paper's budgets, network and hyperparameters: as it comes, 2.3 billion env steps. Needs GPUs "
    "and days.",
)

PRESETS = {preset.preset: preset for preset in (QUICK, SMALL, PAPER)}


@dataclass(frozen=True, kw_only=True)
class Options:
    """What `--set` takes for Procgen.

    Attributes:
        game: One of the 16 games.
        mode: Easy or hard.
        deep: Ask agents what they still know this many steps deep in training levels; 0 does not.
    """

    game: str | None = None
    mode: str | None = None
    deep: int = 0


def chosen(preset: StudyConfig, options: Options) -> Mapping[str, Any]:
    """Returns what another game or mode changes in a preset, and what its agents are asked.

    Raises:
        StudyError: No such game or mode, or one without levels to hold out.
        ValueError: The game lacks the mode, or that deep no episode can begin.
    """
    changed = _of_game(preset, options)
    if options.deep:
        player = "right" if "coinrun-" in changed.get("family", preset.family) else "moves"
        begun = StartStates(steps=options.deep, player=player)
        changed["far"] = Far.in_training_tasks(
            preset.evaluation, preset.adapt, start_states={"steps": begun.steps, "player": begun.player}
        )
    return changed


def _of_game(preset: StudyConfig, options: Options) -> dict[str, Any]:
    game, mode = options.game, options.mode
    preset_game, preset_mode = preset.family.removeprefix("procgen/").rsplit("-", 1)
    if game is not None and game not in GAMES:
        raise unknown("Procgen game", game, GAMES)
    if mode is not None and mode not in MODES:
        raise unknown("distribution mode", mode, MODES)
    family = f"procgen/{game or preset_game}-{mode or preset_mode}"
    if family.endswith("-exploration"):
        raise StudyError(
            "the exploration mode has one level only, none to hold out; choose another --mode, such as hard"
        )
    try:
        SUITES["procgen"].score_range(Task.parse(f"{family}/0"))  # neither extreme nor memory has one
    except ValueError as error:
        raise StudyError(str(error)) from error
    if family == preset.family:
        return {}
    note = f"{family}: held-out levels are not chosen for headroom, and actions are the game's full set."
    return {
        "family": family,
        "script": None,
        "score_bounds": GOAL if (game or preset_game) in GOAL_GAMES else None,
        "env_options": {"actions": "full"},
        "note": note,
    }


PROCGEN = Benchmark(
    name="procgen",
    suite=SUITES["procgen"],
    about="Coinrun and 15 other games",
    version=1,
    unit="level",
    options=Options,
    chosen=chosen,
    presets=PRESETS,
    claims=procgen_claims,
)
