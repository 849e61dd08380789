"""AppleRetrieval: a study of retention whose mechanism is known, small enough for a minute.

An agent is pretrained on the way back alone and then fetches the apple. Its policy has two weights, so what
forgetting is can be written down (`fvm_envs.apple`): c = 1 is the control in which the ways do not interfere.
The jobs, stores, hooks, measures and claims are those of every other study. A job trains eight agents side by
side, which share nothing, and its scores are theirs together; intervals are over jobs, five an arm.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from fvm_envs.suite import SUITES
from fvm_meta.worlds.reinforce import ReinforceConfig

from study.claims.apple import apple_claims
from study.config import Evaluation, Far, Phase, StudyConfig
from study.registry import Benchmark

EPISODE = 100  # steps; Wolczyk et al. 2024, appendix A.2
PRETRAINING, ADAPTATION = 1_500, 2_000  # episodes; not in the paper, from this project's prototype
WINDOW = 500  # episodes over which forgetting is averaged; fixed before docs/results/apple was made
AGENTS = 8  # of a job: as many runs cost hardly more than one
ITERATION = 20  # episodes, with an update after each: what lies around them costs more than they do
LEARNER = ReinforceConfig(
    num_steps=ITERATION * EPISODE, episode_steps=EPISODE, learning_rate=1e-3, agents=AGENTS
)
NOTE = (
    "A model of two weights: it shows why fine-tuning forgets, not by how much a network does. "
    f"A run is {AGENTS} agents side by side; env steps and scores are theirs together."
)


def tasks_of(distance: int, teacher: str, order: str) -> dict[str, Any]:
    """Returns the tasks of a way of so many cells, and where FAR begins."""
    close, far = f"out-and-back/{distance}", f"back-and-out/{distance}"
    held_out = {"close": (close,), "far": (far,), "both": (close, far)}[order]
    known = f"back/{distance}"
    return {
        "pool": (known if teacher == "good" else f"wrong-{known}",),
        "held_out": held_out,
        "validation": (f"out-and-back/{distance - 5 if distance > 5 else distance + 5}",),
        "far": Far(
            tasks=(known,),
            episodes=5 * AGENTS,
            max_steps=distance + distance // 3,  # about what is left when the apple is reached at good speed
            window_env_steps=WINDOW * EPISODE * AGENTS,
            order={close: "CLOSE", far: "FAR"},
        ),
    }


INTERFERING = StudyConfig(
    benchmark="apple",
    preset="interfering",
    family="apple",
    methods=(
        "scratch",
        "multitask:none",
        "multitask",
        "multitask:gradient+bc",
        "multitask:gradient+ewc",
        "multitask:gradient+ks",
    ),
    seeds=5,
    score_bounds=(0.0, 1.0),
    train_sizes=(1,),
    **tasks_of(30, "good", "close"),
    env_options={"feature": 0.25, "max_steps": EPISODE},
    pretrain=Phase(env_steps=PRETRAINING * EPISODE * AGENTS, num_envs=AGENTS, learner=LEARNER),
    adapt=Phase(env_steps=ADAPTATION * EPISODE * AGENTS, num_envs=AGENTS, learner=LEARNER),
    evaluation=Evaluation(
        snapshots=20,
        episodes=5 * AGENTS,
        training_tasks=1,
        training_episodes=5 * AGENTS,
        max_steps=EPISODE,
        num_envs=5 * AGENTS,
    ),
    # Coefficients of the prototype, before any result of this benchmark: BC 1000; KS 100; EWC 100 and L2 10,
    # which are of sums over two weights there and of means here: 20, and 8 for a Fisher that is scaled to a
    # mean of 1 (from p (1 - p) (c^2 + 1) / 2 at c = .25 and p = .92 on the way back).
    retain={
        "bc": {"coef": 1000.0, "states": 16, "batch_size": 16},
        "ks": {"coef": 100.0, "decay": 1.0},
        "ewc": {"coef": 8.0, "mode": "full", "states": 16},
        "l2": {"coef": 20.0},
    },
    title="AppleRetrieval: c = 0.25, M = 30",
    note=NOTE,
)
SEPARATE = replace(
    INTERFERING,
    preset="separate",
    env_options={"feature": 1.0, "max_steps": EPISODE},
    title="AppleRetrieval: c = 1, M = 30",
)


@dataclass(frozen=True, kw_only=True)
class Options:
    """What `--set` takes for apple.

    Attributes:
        c: What the two ways share; below 1 they interfere (0.25, and 1 in the preset separate).
        m: Cells of each way, up to 50 (30).
        teacher: Good, or bad: as sure of the wrong way with the apple.
        order: Which way comes first: close (the new one, as is), far (the known one, a control), or both.
    """

    c: float | None = None
    m: int | None = None
    teacher: str = "good"
    order: str = "close"


def chosen(preset: StudyConfig, options: Options) -> Mapping[str, Any]:
    """Returns what another world, teacher or order changes in a preset.

    Raises:
        ValueError: There is no such one.
    """
    feature = preset.env_options["feature"] if options.c is None else options.c
    distance = 30 if options.m is None else options.m
    if not 0 < feature <= 100:
        raise ValueError(f"c={feature}; give a number above 0, up to 100")
    if not 1 <= distance <= EPISODE // 2:
        raise ValueError(f"m={distance}; give 1 to {EPISODE // 2} cells: an episode has {EPISODE} steps")
    for name, values in {"teacher": ("good", "bad"), "order": ("close", "far", "both")}.items():
        if getattr(options, name) not in values:
            raise ValueError(f"{name}={getattr(options, name)}; choose {' or '.join(values)}")
    words = [f"c = {feature:g}", f"M = {distance}"]
    words += ["a bad teacher"] * (options.teacher == "bad")
    words += {"close": [], "far": ["the known way first"], "both": ["either way first"]}[options.order]
    return {
        **tasks_of(distance, options.teacher, options.order),
        "env_options": {**preset.env_options, "feature": feature},
        "title": f"AppleRetrieval: {', '.join(words)}",
    }


APPLE = Benchmark(
    name="apple",
    suite=SUITES["apple"],
    about="retention in a world of two weights; a minute",
    version=1,
    options=Options,
    chosen=chosen,
    presets={preset.preset: preset for preset in (INTERFERING, SEPARATE)},
    by_default=("interfering", "separate"),
    claims=apple_claims,
    normalised_name="Episodes solved (0 to 1)",
)
