"""Named sizes of a study, and how arguments change them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from study.arguments import Arguments
from study.config import StudyConfig
from study.errors import StudyError, unknown
from study.learners import name_of
from study.methods import ONE_LEARNER, PRETRAININGS, TRANSFERS, Method
from study.presets import atari, procgen, rlbench, toy

PRESETS = {"atari": atari.PRESETS, "procgen": procgen.PRESETS, "toy": toy.PRESETS}
FAMILY = {"atari": atari.family, "procgen": procgen.family, "toy": toy.family}
# Benchmarks in which nothing learns yet, and what resolves their arguments.
PLAYERS_ONLY = {"rlbench": rlbench.resolve}
CHECK_TASK = {"atari": atari.check_task, "procgen": procgen.check_task, "toy": toy.check_task}


# Without a --preset some benchmarks run several, without a --game on several families: a study each.
DEFAULTS = {"toy": toy.BY_DEFAULT}
FAMILIES = {"toy": toy.PAIRS}


def resolve_all(arguments: Arguments, default_preset: str) -> list[StudyConfig]:
    """Returns the studies that the arguments ask for: one, or one for each preset and family.

    Raises:
        StudyError: As `resolve`.
    """
    pairs = FAMILIES.get(arguments.benchmark, {})
    several = DEFAULTS.get(arguments.benchmark, (None,)) if arguments.preset is None else (arguments.preset,)
    presets = [name for name in several if fits(arguments, name)] if len(several) > 1 else several
    return [
        resolve(replace(arguments, preset=preset, game=game), default_preset)
        for preset in presets or several[:1]
        for game in (pairs.get(preset, (None,)) if arguments.game is None else (arguments.game,))
    ]


def fits(arguments: Arguments, name: str | None) -> bool:
    """Whether a preset, one of several, has the family and the learner that are asked for."""
    assert name is not None
    try:
        for method in arguments.methods or ():
            check_learner(Method.parse(method), PRESETS[arguments.benchmark][name])
    except StudyError:
        return False
    return arguments.game is None or arguments.game in FAMILIES[arguments.benchmark][name]


def resolve(arguments: Arguments, default_preset: str) -> StudyConfig:
    """Returns the preset that the arguments name, with what they change.

    Raises:
        StudyError: A name nobody knows, or values that do not fit together.
    """
    if arguments.benchmark not in PRESETS:
        raise unknown("benchmark", arguments.benchmark, [*PRESETS, *PLAYERS_ONLY])
    if arguments.simulator is not None:
        raise StudyError(f"--simulator is rlbench's; leave it out for {arguments.benchmark}")
    presets = PRESETS[arguments.benchmark]
    name = arguments.preset or (default_preset if default_preset in presets else "quick")
    if name not in presets:
        raise unknown(f"preset of {arguments.benchmark}", name, presets)
    preset = presets[name]
    changed: dict[str, Any] = {}
    for field in ("methods", "train_sizes", "held_out"):
        if (value := getattr(arguments, field)) is not None:
            changed[field] = tuple(dict.fromkeys(value))
    if "held_out" in changed and isinstance(preset.train_pool, range):
        changed["held_out"] = tuple(level_number(str(word)) for word in changed["held_out"])
    if "train_sizes" in changed:
        # Claims compare the largest with the others.
        changed["train_sizes"] = tuple(sorted(changed["train_sizes"]))
    if arguments.pretrain_env_steps is not None:
        changed["pretrain_env_steps"] = {}
    if "methods" in changed:
        changed["methods"] = tuple(dict.fromkeys(Method.parse(name).name for name in changed["methods"]))
    if arguments.seeds is not None:
        changed["seeds"] = arguments.seeds
    try:
        family = FAMILY[arguments.benchmark](preset.family, arguments.game, arguments.mode)
        if family != preset.family:
            changed = {"family": family, **_other_family(preset, family), **changed}
        for phase in ("pretrain", "adapt"):
            steps = getattr(arguments, f"{phase}_env_steps")
            if steps is not None:
                changed[phase] = replace(getattr(preset, phase), env_steps=steps)
        config = replace(preset, **changed)
        for name in config.methods:
            check_learner(Method.parse(name), config)
        for task in (*config.held_out, *config.validation, config.train_pool[-1]):
            CHECK_TASK[arguments.benchmark](config.task_id(task))
        return config
    except ValueError as error:
        raise StudyError(str(error)) from None


def check_learner(method: Method, config: StudyConfig) -> None:
    """Raises StudyError unless the method works with the study's base learner."""
    learner = name_of(config.adapt.learner)
    needed = ONE_LEARNER.get(PRETRAININGS[method.pretraining].paradigm, learner)
    if method.adaptation in TRANSFERS:
        needed = "rainbow"
    if needed != learner:
        raise StudyError(
            f"{method.name} needs {needed}, and preset {config.preset} of {config.benchmark} has {learner}; "
            "leave it out, or choose another preset or benchmark"
        )


def level_number(word: str) -> int:
    """Returns the level that a word of the command line names.

    Raises:
        StudyError: It is no number.
    """
    if not word.isdecimal():
        raise StudyError(f"--held-out {word!r} is no level; give numbers, such as 200001")
    return int(word)


def _other_family(preset: StudyConfig, family: str) -> Mapping[str, Any]:
    """Returns what no longer holds when the preset's own game is replaced by another."""
    if preset.benchmark == "toy":
        return toy.of_family(preset, family)
    note = f"{family}: held-out levels are not chosen for headroom, and actions are the game's full set."
    return {"script": None, "score_bounds": None, "env_options": {"actions": "full"}, "note": note}
