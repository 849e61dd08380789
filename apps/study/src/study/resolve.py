"""What the command line asks for, as configs: a preset with what its arguments and options change."""

from __future__ import annotations

import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from study.claims import claims_of
from study.command_line.arguments import Arguments
from study.config import OF_FOLDS, Far, Settings, StudyConfig
from study.errors import StudyError, unknown
from study.identity import check_kept
from study.jobs.demonstrations import check_demos
from study.jobs.environments import check_task, score_range_of
from study.learners import differing, kind_of
from study.methods import Method
from study.plugins import named
from study.registry import Benchmark, registered

# What has no meaning where nothing is trained.
OF_TRAINING = (
    "methods",
    "seeds",
    "train_sizes",
    "demos",
    "tune",
    "looks",
    "diverged",
    "forgetting",
    "far",
    "pretrain_env_steps",
    "adapt_env_steps",
    "control",
    "video",
)


def resolve_all(arguments: Arguments, default_preset: str) -> list[StudyConfig]:
    """Returns the studies that the arguments ask for: one, or one for each preset and family.

    Raises:
        StudyError: As `resolve`.
    """
    benchmark = benchmark_of(arguments)
    asked = options_of(benchmark, arguments)
    several = benchmark.by_default if arguments.preset is None else (arguments.preset,)
    presets: Sequence[str | None] = several or (None,)
    if len(presets) > 1:
        presets = [name for name in several if fits(benchmark, arguments, asked, name)] or several[:1]
    return [
        resolve(replace(arguments, preset=preset), default_preset, {**options, **asked})
        for preset in presets
        for options in ({},) * bool(asked) or benchmark.several.get(preset or "", ({},))
    ]


def benchmark_of(arguments: Arguments) -> Benchmark:
    """Returns the record of the benchmark that is asked for.

    Raises:
        StudyError: Nobody knows it.
    """
    known = registered().benchmarks
    if arguments.benchmark not in known:
        raise unknown("benchmark", arguments.benchmark, known, pluggable=True)
    return known[arguments.benchmark]


def fits(benchmark: Benchmark, arguments: Arguments, asked: Mapping[str, Any], name: str) -> bool:
    """Whether a preset, one of several, has the options and the learner that are asked for."""
    try:
        for method in arguments.methods or ():
            check_learner(Method.parse(method), benchmark.presets[name])
    except StudyError:
        return False
    choices = benchmark.several.get(name, ())
    return not asked or any(asked.items() <= options.items() for options in choices)


def options_of(benchmark: Benchmark, arguments: Arguments) -> dict[str, Any]:
    """Returns the benchmark's own options that are asked for, as values of their types.

    Raises:
        StudyError: The benchmark has no such option, or a word is no value of it.
    """
    types = typing.get_type_hints(benchmark.options)
    words = [word.partition("=") for word in arguments.set]
    if wrong := [name for name, equals, _ in words if not equals]:
        raise StudyError(f"--set {wrong[0]!r} is no option; write --set NAME=VALUE")
    aliases = {name: getattr(arguments, name) for name in ("game", "mode", "simulator")}
    words += [(name, "=", value) for name, value in aliases.items() if value is not None]
    given = {name: value for name, _, value in words}
    for name, value in given.items():
        if other := [one for one in words if one[0] == name and one[2] != value]:
            raise StudyError(f"{name} is to be {other[0][2]} and {value}; give one of them")
    names = [field.name for field in fields(benchmark.options)]
    for name in given:
        if name not in names:
            has = f"it has {', '.join(names)}" if names else "it has none; leave it out"
            raise StudyError(f"{benchmark.name} has no option {name!r}; {has}")
    return {name: _read(name, word, types[name]) for name, word in given.items()}


def _read(name: str, word: str, kind: Any) -> Any:
    """Returns a word as a value of an option's type."""
    kinds = [one for one in typing.get_args(kind) or (kind,) if one is not type(None)]
    truths = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    for one in kinds:
        try:
            if one is not bool:
                return one(word)
            if word.lower() in truths:
                return truths[word.lower()]
        except (TypeError, ValueError):
            continue
    raise StudyError(f"--set {name}={word}: expected {' or '.join(one.__name__ for one in kinds)}")


def resolve(
    arguments: Arguments, default_preset: str, options: Mapping[str, Any] | None = None
) -> StudyConfig:
    """Returns the preset that the arguments name, with what they change.

    Raises:
        StudyError: A name nobody knows, or values that do not fit together.
    """
    benchmark = benchmark_of(arguments)
    if options is None:
        options = options_of(benchmark, arguments)
    presets = benchmark.presets
    usual = [name for name in (default_preset, "quick", *presets) if name in presets]
    name = usual[0] if arguments.preset is None else arguments.preset
    if name not in presets:
        raise unknown(f"preset of {benchmark.name}", name, presets)
    preset = presets[name]
    if not preset.methods:
        refuse_training(arguments, preset.preset)
    try:
        preset = replace(preset, **benchmark.chosen(preset, benchmark.options(**options)))
        config = replace(preset, **changes(arguments, preset))
        check(config)
        return config
    except ValueError as error:
        raise StudyError(str(error)) from None


def refuse_training(arguments: Arguments, preset: str) -> None:
    """Raises StudyError for an option that means nothing where nothing is trained."""
    default = Arguments(benchmark=arguments.benchmark)
    for field in OF_TRAINING:
        if getattr(arguments, field) != getattr(default, field):
            flag = "--" + field.replace("_", "-")
            raise StudyError(
                f"nothing learns in preset {preset} of {arguments.benchmark}, so {flag} means nothing there; "
                "leave it out, or choose another preset"
            )


def changes(arguments: Arguments, preset: StudyConfig) -> dict[str, Any]:
    """Returns the fields of a preset that the arguments of every benchmark change.

    Raises:
        StudyError: A name that nobody knows.
        ValueError: A budget that does not fit.
    """
    changed: dict[str, Any] = {}
    for field in ("methods", "train_sizes", "held_out", "demos"):
        if (value := getattr(arguments, field)) is not None:
            changed[field] = tuple(dict.fromkeys(value))
    if changed.get("methods") == ():
        raise StudyError("no methods given; name at least one")
    if "held_out" in changed and isinstance(preset.train_pool, range):
        levels = [level_number(str(word), preset) for word in changed["held_out"]]
        changed["held_out"] = tuple(dict.fromkeys(levels))
    if "held_out" in changed and preset.family == preset.benchmark:
        prefix = f"{preset.family}/"
        changed["held_out"] = tuple(str(word).removeprefix(prefix) for word in changed["held_out"])
    if preset.folds and "held_out" in changed:
        changed |= with_folds(preset, [str(word) for word in changed.pop("held_out")])
    if "train_sizes" in changed:
        # Claims compare the largest with the others.
        changed["train_sizes"] = tuple(sorted(changed["train_sizes"]))
    if "demos" in changed:
        changed["demos"] = tuple(sorted(changed["demos"]))
    if arguments.pretrain_env_steps is not None:
        changed["pretrain_env_steps"] = {}
    if "methods" in changed:
        changed["methods"] = tuple(dict.fromkeys(Method.parse(name).name for name in changed["methods"]))
    if arguments.retain:
        changed["methods"] = with_arms(changed.get("methods", preset.methods), arguments.retain)
    if arguments.seeds is not None:
        changed["seeds"] = arguments.seeds
    if arguments.looks is not None:
        changed["looks"] = tuple(sorted(set(arguments.looks)))
    if arguments.diverged is not None:
        changed["diverged"] = arguments.diverged
    if arguments.forgetting:
        changed["evaluation"] = replace(preset.evaluation, forgetting=True)
    for phase in ("pretrain", "adapt"):
        steps = getattr(arguments, f"{phase}_env_steps")
        if steps is not None:
            changed[phase] = replace(getattr(preset, phase), env_steps=steps)
    if arguments.far and preset.far is None:
        changed["far"] = Far.in_training_tasks(preset.evaluation, changed.get("adapt", preset.adapt))
    elif preset.far is not None and "adapt" in changed:
        changed["far"] = preset.far.over_first_quarter(preset.evaluation, changed["adapt"])
    return changed


def check(config: StudyConfig) -> None:
    """Holds a config, whoever made it, against what is registered.

    Raises:
        StudyError: A method that does not go with the learner, a name nobody knows, no score range.
        TypeError: A field is nothing that a file can keep.
        ValueError: A task that does not exist.
    """
    check_kept(config.spec, config.benchmark)
    for phase in (config.pretrain, config.adapt) if config.methods else ():
        kind_of(phase.learner)  # its fields come back from a file as they are, dataclasses as dicts
        for name, value in vars(phase.learner).items():
            check_kept(value, f"{type(phase.learner).__name__}.{name}")
    for name in config.methods:
        check_learner(Method.parse(name), config)
        check_settings(Method.parse(name), config)
        check_lasting(Method.parse(name), config)
        check_adds(Method.parse(name), config)
    if config.methods:
        check_demos(config)
        claims_of(config)  # what is claimed beforehand can be said beforehand
    pool: Iterable[Any] = config.train_pool
    if isinstance(pool, range):
        pool = pool[-1:]
    for task in (*config.held_out, *config.validation, *pool):
        check_task(config.benchmark, config.task_id(task))
        score_range_of(config.benchmark, config.task_id(task))


def check_learner(method: Method, config: StudyConfig) -> None:
    """Raises StudyError unless the method works with the study's base learner."""
    learner = kind_of(config.adapt.learner)
    lacks = sorted(method.needs - learner.capabilities)
    if lacks:
        able = [k.name for k in registered().learners.values() if set(lacks) <= k.capabilities]
        raise StudyError(
            f"{method.name} needs {' or '.join(able) or 'a learner'} (it asks for {', '.join(lacks)}), and "
            f"preset {config.preset} of {config.benchmark} has {learner.name}; leave it out, or choose "
            "another preset or benchmark"
        )
    if method.needs >= {"latent", "protected"}:
        raise StudyError(
            f"{method.name} adapts by a latent, and nobody knows that of transitions which a replay "
            "protects: leave em out"
        )


def check_settings(method: Method, config: StudyConfig) -> None:
    """Raises StudyError unless the paradigm takes what the study, the method and its adaptation set in it."""
    paradigm = method.kind.made_by(kind_of(config.adapt.learner))
    own = config.settings.get(method.pretraining, Settings()).config
    given = {**own, **method.kind.config, **method.way.config}
    try:
        if paradigm.Config is not None:
            paradigm.Config(**given)
        elif given:
            raise TypeError(f"it has no Config, which could take {', '.join(given)}")
    except (TypeError, ValueError) as error:
        raise StudyError(f"{method.name} cannot set up {named(paradigm)}: {error}") from error


def check_lasting(method: Method, config: StudyConfig) -> None:
    """Raises StudyError unless what a method pretrains and what it then adapts are the same networks."""
    if not method.kind.pretrains or method.way.zero_shot:
        return
    phases = [config.phase(kind, method.pretraining).learner for kind in ("pretrain", "adapt")]
    if names := differing(*phases):
        has = [", ".join(f"{name}={getattr(phase, name)}" for name in names) for phase in phases]
        raise StudyError(
            f"{method.name} is pretrained with {has[0]} and would go on from those weights with {has[1]}; "
            "give both phases the same"
        )


def check_adds(method: Method, config: StudyConfig) -> None:
    """Raises StudyError if an arm is what all fine-tuning of the study does anyway, under another name."""
    for kind in method.keeps:
        if kind.already and getattr(config, kind.already):
            raise StudyError(
                f"{method.name}: all fine-tuning in preset {config.preset} of {config.benchmark} does what "
                f"{kind.name!r} does ({kind.already}), so the arm would be {method.pretraining} under "
                "another name; leave it out"
            )


def with_folds(preset: StudyConfig, held_out: Sequence[str]) -> dict[str, Any]:
    """Returns the fields of a preset in which only these tasks are held out, of the folds that it has.

    Raises:
        StudyError: There is no fold that holds out such a task.
    """
    if not held_out:
        raise StudyError(f"no held-out {preset.unit}s given; name at least one to adapt to")
    for task in held_out:
        if task not in preset.held_out:
            raise unknown("held-out task", task, map(str, preset.held_out))
    wanted = {preset.task_id(task) for task in held_out}
    folds = tuple(fold for fold in preset.folds if wanted & set(fold.held_out))
    return {"folds": folds, **OF_FOLDS}


def with_arms(methods: Sequence[str], retain: Sequence[str]) -> tuple[str, ...]:
    """Returns the methods, and for each that fine-tunes a pretrained agent the arms that keep what it knew.

    Raises:
        StudyError: None of them does, or nobody knows what is to be kept.
    """
    plain = [method for method in map(Method.parse, methods) if not method.retained]
    tuned = [method for method in plain if method.kind.pretrains and method.way.does == "learns"]
    if not tuned:
        raise StudyError(
            f"--retain: none of {', '.join(methods)} fine-tunes a pretrained agent; add multitask"
        )
    arms = [
        Method.parse(f"{method.pretraining}:{method.adaptation}+{names}").name
        for names in retain
        for method in tuned
    ]
    return tuple(dict.fromkeys([*(Method.parse(name).name for name in methods), *arms]))


def level_number(word: str, preset: StudyConfig) -> int:
    """Returns the level that a word of the command line names, a number or a task's whole id.

    Raises:
        StudyError: It is no number.
    """
    came, word = word, word.removeprefix(f"{preset.family}/")
    if not word.isdecimal():
        such = next(iter(preset.held_out), 200001)
        raise StudyError(f"--held-out {came!r} is no level; give numbers, such as {such}")
    if len(word) > 18:
        raise StudyError(f"--held-out: a level of {len(word)} digits is too large; the largest is 2147483646")
    return int(word)
