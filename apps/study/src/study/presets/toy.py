"""Toy presets: pixel Catch, whose best return is known; the test bed of every paradigm.

"Which schedule decides whether meta-learning loses": the 24 orders of four actions, once with a legend that
shows the order and once without. Nothing else differs. Whoever can read the legend needs no adaptation;
without it a task can only be told by acting.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from fvm_envs.suite import SUITES
from fvm_envs.toy.catch import FAMILIES
from fvm_learners import PPOConfig
from fvm_learners.rainbow.config import SMALL

from study.claims.toy import toy_claims
from study.config import Evaluation, Phase, Settings, StudyConfig
from study.errors import StudyError, unknown
from study.presets.toy_map import FAMILIES as MAPPED
from study.presets.toy_map import MAP
from study.registry import Benchmark

PPO = PPOConfig(
    network="minatar",  # for images of a pixel a cell
    num_steps=12,  # four episodes
    num_epochs=3,
    num_minibatches=4,
    learning_rate=1e-3,
    discount=0.99,
    entropy_coef=0.01,
)

RECURRENT = {
    "recurrent": True,
    "lstm_size": 64,
    "num_steps": 24,  # two lifetimes of four trials of three steps
    # From ten short pilots on validation orders; at 1e-3, .95 and .01 RL2 hardly explores.
    "learning_rate": 2.5e-3,
    "gae_lambda": 0.8,
    "entropy_coef": 0.02,
}
UNTUNED = {"rl2": Settings(config={"trials": 4}, learner=RECURRENT), "rl2-reset": Settings(learner=RECURRENT)}


def _tuned(entropy_coef: float, pretrain: float, adapt: float, **config: object) -> Settings:
    """Returns settings with these learning rates."""
    return Settings(
        config=config,
        learner={"entropy_coef": entropy_coef},
        pretrain={"learning_rate": pretrain},
        adapt={"learning_rate": adapt},
    )


def _tuned_recurrent(
    learning_rate: float, gae_lambda: float, entropy_coef: float, **config: object
) -> Settings:
    drawn = {"learning_rate": learning_rate, "gae_lambda": gae_lambda, "entropy_coef": entropy_coef}
    return Settings(config=config, learner={**RECURRENT, **drawn})


# The best of four trials of each method on the validation orders, by
#     uv run study --benchmark toy --preset untuned --tune 4
TRIALS = 4
VISIBLE = {
    **UNTUNED,
    "scratch": Settings(adapt={"learning_rate": 3.2e-4, "entropy_coef": 7.4e-3}),
    "multitask": _tuned(0.048, 1.5e-3, 1.1e-3),
    "reptile": _tuned(5.4e-3, 2.1e-3, 5.9e-4, eps_schedule=(0.12, 0.0)),
    "reptile-printed": _tuned(3.8e-3, 1.4e-3, 1.4e-3),
    "reptile-authors": Settings(),
    "reptile-rising": _tuned(2.5e-3, 1.1e-3, 3.7e-4),
    "rl2": _tuned_recurrent(3e-3, 0.8, 9.4e-3, trials=4),
    "rl2-reset": _tuned_recurrent(3.5e-3, 0.9, 5.7e-3),
}
HIDDEN = {
    **UNTUNED,
    "scratch": Settings(adapt={"learning_rate": 8.5e-4, "entropy_coef": 0.049}),
    "multitask": _tuned(0.014, 1.4e-3, 4.8e-4),
    "reptile": _tuned(0.012, 2.7e-3, 2.6e-3, eps_schedule=(0.2, 0.0)),
    "reptile-printed": Settings(),
    "reptile-authors": _tuned(1.1e-3, 2.6e-3, 4.1e-4),
    "reptile-rising": _tuned(0.048, 1.3e-3, 4.8e-4),
}

SCHEDULES = StudyConfig(
    benchmark="toy",
    preset="schedules",
    family="toy/visible-catch",
    methods=(
        "scratch",
        "multitask",
        "reptile",
        "reptile-printed",
        "reptile-authors",
        "reptile-rising",
        "rl2",
        "rl2-reset",
        "rl2:both",
    ),
    seeds=12,
    train_sizes=(16,),
    pool=(0, 18),
    validation=(18, 19),
    held_out=(20, 21, 22, 23),  # in each the first action does something else
    env_options={"cell_pixels": 1},
    pretrain=Phase(env_steps=55_296, num_envs=32, learner=PPO),
    # Where scratch was halfway to the best return in a pilot on the validation levels: room on both sides.
    adapt=Phase(env_steps=3_072, num_envs=16, learner=PPO),
    evaluation=Evaluation(
        snapshots=6, episodes=40, training_tasks=12, training_episodes=10, max_steps=100, num_envs=40
    ),
    settings=VISIBLE,
    score_bounds=(0.0, 1.0),
    trials=TRIALS,
    note="A toy: it shows whether methods do what they should where the best return is known.",
)

QUICK = replace(SCHEDULES, preset="quick", methods=("scratch", "multitask", "reptile", "rl2"), seeds=3)

# What tuning started from.
NOT_TUNED = replace(SCHEDULES, preset="untuned", settings=UNTUNED, trials=0)

# Rainbow on the same families: does PEARL do what it should where there is something to infer?
RAINBOW = replace(
    SMALL,
    num_steps=32,
    updates_per_env_step=0.25,
    batch_size=64,
    tasks_per_batch=8,
    learn_start=1_600,
    replay_capacity=49_152,
    beta_anneal_env_steps=49_152,
)
PEARL = replace(
    SCHEDULES,
    preset="pearl",
    family="toy/visible-long-catch",  # in Catch of three steps Rainbow hardly ever sees a reward
    methods=("scratch", "multitask:none", "multitask", "pearl"),
    seeds=5,
    first_seed=5,  # seeds 0 to 4 had half of this training, in which two of five never began to infer
    pretrain=Phase(env_steps=49_152, num_envs=16, learner=RAINBOW),
    adapt=Phase(
        env_steps=1_024,
        num_envs=16,
        learner=replace(
            RAINBOW, num_steps=4, learn_start=64, replay_capacity=1_024, beta_anneal_env_steps=1_024
        ),
    ),
    evaluation=replace(SCHEDULES.evaluation, snapshots=4),
    settings={
        # From some ten pilots with one seed on the hidden families, without their held-out orders: with a KL
        # weight of .1 or .01 and four tasks a batch the posterior collapses (.01 nats) and says next to
        # nothing.
        "pearl": Settings(
            config={"kl_weight": 0.003},
            learner={"latent_size": 8, "context_hidden_size": 64, "context_next_obs": True},
        ),
    },
    trials=0,
)

# The map's second table: PEARL, whose KL the tuning chooses, beside what fine-tunes with the same learner.
MAP_PEARL = replace(
    PEARL,
    preset="map-pearl",
    family="toy/hidden-long-catch",
    methods=("scratch", "multitask:none", "multitask", "multitask:gradient+head-reset", "pearl"),
    seeds=10,
    first_seed=200,  # used by nothing before
    looks=(5, 10),
    train_sizes=(),
    pool=MAP.pool,
    validation=(),
    held_out=(),
    split=MAP.split,
    grid={
        "adapt.learning_rate": (5e-4, 1e-3, 2e-3, 4e-3),  # around RAINBOW's
        "config.kl_weight": (1e-3, 3e-3, 1e-2),
    },
    settings={"pearl": replace(PEARL.settings["pearl"], config={})},
)

PRESETS = {preset.preset: preset for preset in (SCHEDULES, PEARL, QUICK, NOT_TUNED, MAP, MAP_PEARL)}
SHORT = ({"game": "visible-catch"}, {"game": "hidden-catch"})
LONG = ({"game": "visible-long-catch"}, {"game": "hidden-long-catch"})

CATCH_LEVELS: Mapping[str, Any] = {
    "train_sizes": (24,),
    "pool": (0, 78),  # 13 of the 16 looks, all 6 orders of the actions
    "validation": (78, 81),  # the last three looks are new: one for tuning, two to compare
    "held_out": (84, 87, 91, 94),
}


def of_family(preset: StudyConfig, family: str) -> Mapping[str, Any]:
    """Returns what another family than the presets' own changes in one of them."""
    levels = CATCH_LEVELS if family == "toy/catch" else {}
    if preset.preset in (PEARL.preset, MAP.preset, MAP_PEARL.preset):
        return levels
    tuned = preset.settings != UNTUNED
    if family == "toy/hidden-catch":
        return {"settings": HIDDEN} if tuned else {}
    return {**levels, "settings": UNTUNED, "trials": 0}


@dataclass(frozen=True, kw_only=True)
class Options:
    """What `--set` takes for toy.

    Attributes:
        game: The family: catch, hidden-catch, one-mark-catch, two-mark-catch, visible-catch,
            hidden-long-catch or visible-long-catch.
        pretraining: How many times as long every method pretrains, such as .125 or 4.
    """

    game: str | None = None
    pretraining: float = 1.0


def chosen(preset: StudyConfig, options: Options) -> Mapping[str, Any]:
    """Returns what another family changes in a preset.

    Raises:
        StudyError: There is no such family.
    """
    changed: dict[str, Any] = {}
    if options.game is not None:
        if options.game not in FAMILIES:
            raise unknown("toy family", options.game, FAMILIES)
        family = f"toy/{options.game}"
        changed = {} if family == preset.family else {"family": family, **of_family(preset, family)}
    if options.pretraining != 1:
        changed |= pretrained_for(replace(preset, **changed), options.pretraining)
    return changed


def pretrained_for(preset: StudyConfig, times: float) -> Mapping[str, Any]:
    """Returns what changes where every method of a preset pretrains so many times as long.

    Raises:
        StudyError: That is no whole number of env steps.
    """
    own = {name: one.pretrain_env_steps for name, one in preset.settings.items() if one.pretrain_env_steps}
    budgets = [steps * times for steps in (preset.pretrain.env_steps, *own.values())]
    if not all(steps >= 1 and steps == int(steps) for steps in budgets):  # a NaN is neither
        raise StudyError(
            f"--set pretraining={times:g} makes {', '.join(f'{steps:g}' for steps in budgets)} env steps; "
            "give a number that makes whole ones, such as .125 or 4"
        )
    longer = {name: int(steps * times) for name, steps in own.items()}
    return {
        "pretrain": replace(preset.pretrain, env_steps=int(budgets[0])),
        "settings": {
            name: replace(one, pretrain_env_steps=longer.get(name)) for name, one in preset.settings.items()
        },
    }


TOY = Benchmark(
    name="toy",
    suite=SUITES["toy"],
    about="pixel Catch, whose best return is known",
    version=1,
    unit="level",
    options=Options,
    chosen=chosen,
    presets=PRESETS,
    by_default=("schedules", "pearl"),
    several={
        **dict.fromkeys(PRESETS, SHORT),
        "pearl": LONG,
        "map": tuple({"game": family} for family in MAPPED),
        "map-pearl": LONG,
    },
    claims=toy_claims,
)
