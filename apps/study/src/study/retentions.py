"""What may be kept while an agent fine-tunes: the names that follow a `+`, as in
"multitask:gradient+bc+l2".

Most are hooks of `fvm_meta.retention`. Some are other settings of the learner while it adapts, arms beside
which a retention must stand: a comparison with fine-tuning that nobody has tuned shows nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from fvm_meta import retention
from fvm_meta.capabilities import HasDistribution, HasParts, Protecting, Sigmas

from study.errors import StudyError, unknown
from study.identity import check_kept, fields_of, version_of
from study.learners import kind_of
from study.registry import RetentionKind, registered

STRINGS = {
    HasDistribution: "distribution",
    HasParts: "parts",
    Protecting: "protected",
    Sigmas: "sigmas",
}


@dataclass(frozen=True, kw_only=True)
class LowRateConfig:
    """Settings of a lower learning rate.

    Attributes:
        factor: Of the phase's learning rate.
    """

    factor: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.factor <= 1:
            raise ValueError(f"factor={self.factor}: give a number above 0, up to 1")

    def learner(self, config: Any) -> Any:
        """Returns a learner's config with that rate."""
        return replace(config, learning_rate=self.factor * config.learning_rate)


@dataclass(frozen=True, kw_only=True)
class EntropyOffConfig:
    """It has no settings."""

    def learner(self, config: Any) -> Any:
        """Returns a learner's config that pays nothing for being undecided."""
        return replace(config, entropy_coef=0.0)


@dataclass(frozen=True, kw_only=True)
class EpsGreedyConfig:
    """Settings of actions that explore.

    Attributes:
        eps: Probability of a uniform action while it adapts.
    """

    eps: float = 0.1

    def __post_init__(self) -> None:
        if not 0 <= self.eps <= 1:
            raise ValueError(f"eps={self.eps}: give a number from 0 to 1")

    def learner(self, config: Any) -> Any:
        """Returns a learner's config that acts so."""
        return replace(config, acting_eps=self.eps)


def _hook(label: str, config: type[Any], hook: type[retention.Retention], **fields: Any) -> RetentionKind:
    """Returns the record of a retention, which itself says what it needs."""
    needs = frozenset({STRINGS[hook.needs]}) if hook.needs in STRINGS else frozenset[str]()
    return RetentionKind(
        **{"name": hook.name, "label": label, "config": config, "hook": hook, "needs": needs, **fields}
    )


RETENTIONS = (
    _hook("BC", retention.BCConfig, retention.BC),
    _hook("KS", retention.KSConfig, retention.KS),
    _hook("EM", retention.EMConfig, retention.EM),
    _hook("EWC", retention.EWCConfig, retention.EWC),
    _hook("L2", retention.L2Config, retention.L2),
    _hook("L2 init", retention.L2InitConfig, retention.L2Init),
    _hook(
        "critic warm-up",
        retention.CriticWarmUpConfig,
        retention.CriticWarmUp,
        needs=frozenset({"parts", "critic"}),
    ),
    _hook("head only", retention.HeadOnlyConfig, retention.HeadOnly),
    _hook("head reset", retention.HeadResetConfig, retention.HeadReset),
    _hook("encoder frozen", retention.FreezeConfig, retention.Freeze),
    _hook("shrink and perturb", retention.ShrinkPerturbConfig, retention.ShrinkPerturb),
    _hook("sigmas reset", retention.SigmasConfig, retention.ResetSigmas, already="reset_sigmas"),
    RetentionKind(name="low-rate", label="low rate", config=LowRateConfig),
    RetentionKind(
        name="entropy-off", label="entropy off", config=EntropyOffConfig, needs=frozenset({"entropy"})
    ),
    RetentionKind(name="eps-greedy", label="eps-greedy", config=EpsGreedyConfig, needs=frozenset({"eps"})),
    _hook("drift measured", retention.DriftConfig, retention.Drift),
)
LOGGED = "drift"  # beside every other one of a learner that has a distribution


def kinds(names: Sequence[str]) -> list[RetentionKind]:
    """Returns the records of the names in one order, so that "bc+l2" and "l2+bc" are the same method.

    fvm's own come first. Those of plug-ins follow by name, in whatever order they were loaded.

    Raises:
        StudyError: Nobody knows one, or one stands twice.
    """
    known = registered().retentions
    if strange := [name for name in names if name not in known]:
        raise unknown("retention", strange[0], known, pluggable=True)
    if len(set(names)) < len(names):
        raise StudyError(f"retentions {'+'.join(names)}: name each once")
    ours = [kind.name for kind in RETENTIONS if kind.name in names]
    return [known[name] for name in [*ours, *sorted(set(names).difference(ours))]]


def parsed(names: Sequence[str]) -> tuple[str, ...]:
    """Returns the names in the order of `kinds`; raises StudyError as it does."""
    return tuple(kind.name for kind in kinds(names))


def settings_for(learner: Any, given: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Mapping[str, Any]]:
    """Returns by retention the fields that differ from the defaults: those given, else the learner's own."""
    own = kind_of(learner).retain
    return {name: {**own.get(name, {}), **given.get(name, {})} for name in {**own, **given}}


def config_of(name: str, settings: Mapping[str, Mapping[str, Any]]) -> Any:
    """Returns the settings of a retention, with those fields that differ from the defaults.

    Raises:
        StudyError: A setting is not what it can be.
    """
    try:
        config = registered().retentions[name].config(**settings.get(name, {}))
        check_kept(fields_of(config), type(config).__name__)
    except (TypeError, ValueError) as error:
        raise StudyError(f"retention {name}: {error}") from error
    return config


def numbers_of_all(names: Sequence[str]) -> dict[str, Any]:
    """Returns the numbers among the settings of any of these, each with the settings that have it."""
    found: dict[str, Any] = {}
    for name in names:
        settings = registered().retentions[name].config()
        for one in fields(settings):
            if type(getattr(settings, one.name)) in (int, float):
                found.setdefault(one.name, settings)
    return found


def learner_of(config: Any, names: Sequence[str], settings: Mapping[str, Mapping[str, Any]]) -> Any:
    """Returns the config of a learner that adapts with all of these.

    Raises:
        StudyError: A setting is not what it can be, or no setting of this learner.
    """
    for kind in kinds(names):
        if kind.hook is None:
            own = config_of(kind.name, settings)
            try:
                config = own.learner(config)
            except (AttributeError, TypeError, ValueError) as error:
                raise StudyError(f"retention {kind.name}: {error}") from error
    return config


def spec_of(
    names: Sequence[str], settings: Mapping[str, Mapping[str, Any]], capabilities: frozenset[str]
) -> dict[str, Any]:
    """Returns what of them goes into a job's spec: by name, their fields and their version.

    Args:
        names: Of the method.
        settings: By name, fields that differ from the defaults.
        capabilities: The learner's.

    Raises:
        StudyError: A setting is not what it can be.
    """
    logged = registered().retentions[LOGGED].needs <= capabilities
    return {
        kind.name: {"version": version_of(kind.hook), **fields_of(config_of(kind.name, settings))}
        for kind in kinds([*dict.fromkeys([*names, *[LOGGED] * logged])])
        if kind.hook is not None
    }


def look_back_env_steps(spec: Mapping[str, Mapping[str, Any]]) -> int:
    """Returns how many env steps on the pretraining's tasks these ask for; as many states are shared."""
    states = sum({int(fields["states"]) for fields in spec.values() if "states" in fields})
    kept = sum(int(fields["transitions"]) for fields in spec.values() if fields.get("share"))
    return states + kept


def read(spec: Mapping[str, Mapping[str, Any]]) -> tuple[Any, ...]:
    """Returns the settings in a job's spec, in order."""
    return tuple(
        kind.config(
            **{
                field: tuple(value) if isinstance(value, list) else value
                for field, value in spec[kind.name].items()
                if field != "version"
            }
        )
        for kind in kinds(list(spec))
    )
