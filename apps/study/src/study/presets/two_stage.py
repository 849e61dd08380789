"""Catch in two stages: what retention does for a network on pixels, where the best return is known.

An agent is pretrained on FAR alone; the task shows FAR only to who has learned CLOSE. The axes are
AppleRetrieval's: M, the balls of CLOSE, and what the stages' pictures share (`fvm_envs.toy.two_stage`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from fvm_envs.suite import SUITES
from fvm_learners import PPOConfig

from study.config import Evaluation, Far, Phase, StudyConfig
from study.presets.toy import RAINBOW
from study.registry import Benchmark

STEPS_A_BALL = 6
KNOWN = "far/2"
CLONE_ENV_STEPS = 393_216  # of the imperfect clone's pretraining, which must learn CLOSE's columns as well
WINDOW = 24_576  # env steps over which forgetting is averaged, a quarter of the adaptation
LEARNER = PPOConfig(
    network="minatar",  # for images of a pixel a cell
    num_steps=24,
    num_epochs=3,
    num_minibatches=4,
    learning_rate=1e-3,
    discount=0.99,
    entropy_coef=0.01,
)


def tasks_of(balls: int, order: str, teacher: str) -> dict[str, Any]:
    """Returns the tasks with so many balls of CLOSE, what is known of them, and where FAR begins."""
    pool = (KNOWN,) if teacher == "clean" else (f"imperfect/{balls}", KNOWN)
    close, far = f"close-first/{balls}", f"far-first/{balls}"
    return {
        "pool": pool,
        "train_sizes": (len(pool),),
        "pretrain_env_steps": {} if teacher == "clean" else {len(pool): CLONE_ENV_STEPS},
        "validation": (f"close-first/{balls + 1}",),
        "held_out": {"close": (close,), "far": (far,), "both": (close, far)}[order],
        "far": Far(
            tasks=(KNOWN,),
            episodes=40,
            max_steps=2 * STEPS_A_BALL + 1,
            window_env_steps=WINDOW,
            order={close: "CLOSE", far: "FAR"},
        ),
    }


PPO_PRESET = StudyConfig(
    benchmark="two-stage",
    preset="ppo",
    family="two-stage",
    methods=(
        "scratch",
        "multitask:none",
        "multitask",
        "multitask:gradient+bc",
        "multitask:gradient+ks",
        "multitask:gradient+ewc",
        "multitask:gradient+head-reset",
    ),
    seeds=5,
    **tasks_of(2, "close", "clean"),
    env_options={"shared": 0.75},
    pretrain=Phase(env_steps=49_152, num_envs=32, learner=LEARNER),
    adapt=Phase(env_steps=98_304, num_envs=32, learner=LEARNER),
    evaluation=Evaluation(
        snapshots=12, episodes=40, training_tasks=1, training_episodes=40, max_steps=400, num_envs=40
    ),
    score_bounds=(0.0, 1.0),
    retain={"bc": {"coef": 2.0}, "ks": {"coef": 0.5, "decay": 0.99}, "ewc": {"states": 64}},
    title="Catch in two stages: M = 2, shared = 0.75",
    note="A toy. As they come, no coefficient is tuned: BC's is the paper's, the others are guesses.",
)
RAINBOW_PRESET = replace(
    PPO_PRESET,
    preset="rainbow",
    methods=(
        "scratch",
        "multitask:none",
        "multitask",
        "multitask:gradient+bc",
        "multitask:gradient+ks",
        "multitask:gradient+head-reset",
    ),
    pretrain=Phase(env_steps=24_576, num_envs=16, learner=replace(RAINBOW, v_min=0.0, v_max=1.0)),
    adapt=Phase(env_steps=49_152, num_envs=16, learner=replace(RAINBOW, v_min=0.0, v_max=1.0)),
    # KS falls as PPO's does, over eight times the updates.
    retain={"bc": {"coef": 2.0}, "ks": {"coef": 0.5, "decay": 0.99875}},
    note="A toy. As they come, no coefficient is tuned: BC's is the paper's, KS's a guess.",
)


@dataclass(frozen=True, kw_only=True)
class Options:
    """What `--set` takes for two-stage.

    Attributes:
        m: Balls of CLOSE (2).
        shared: What the stages' pictures share, from 0 to 1 (0.75).
        order: Which stage comes first: close, far (the control), or both.
        teacher: Clean, who knows FAR alone; or imperfect, who knows both, but some columns of CLOSE wrong.
    """

    m: int = 2
    shared: float | None = None
    order: str = "close"
    teacher: str = "clean"


def chosen(preset: StudyConfig, options: Options) -> Mapping[str, Any]:
    """Returns what another length, picture or order changes in a preset.

    Raises:
        ValueError: There is no such one.
    """
    shared = preset.env_options["shared"] if options.shared is None else options.shared
    if not 0 <= shared <= 1:
        raise ValueError(f"shared={shared}; give a number from 0 to 1")
    if not 1 <= options.m <= 50:
        raise ValueError(f"m={options.m}; give 1 to 50 balls")
    if options.order not in ("close", "far", "both"):
        raise ValueError(f"order={options.order}; choose close, far or both")
    if options.teacher not in ("clean", "imperfect"):
        raise ValueError(f"teacher={options.teacher}; choose clean or imperfect")
    return {
        **tasks_of(options.m, options.order, options.teacher),
        "env_options": {"shared": shared},
        "title": f"Catch in two stages: M = {options.m}, shared = {shared:g}"
        + {"close": "", "far": ", FAR first", "both": ", either first"}[options.order]
        + ", an imperfect clone" * (options.teacher == "imperfect"),
    }


TWO_STAGE = Benchmark(
    name="two-stage",
    suite=SUITES["two-stage"],
    about="retention on pixels, with a known best return",
    version=1,
    options=Options,
    chosen=chosen,
    presets={preset.preset: preset for preset in (PPO_PRESET, RAINBOW_PRESET)},
    by_default=("ppo",),
    normalised_name="Balls caught (0 to 1)",
)
