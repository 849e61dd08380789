"""What may be kept while an agent fine-tunes: the names that follow a `+`, as in
"multitask:gradient+bc+l2".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fvm_meta import retention

from study.errors import StudyError
from study.identity import fields_of


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A retention, or an arm beside it.

    Attributes:
        name: What follows the plus in a method's name.
        label: For people.
        config: Its settings, a dataclass with defaults, whose `make` returns the hook.
        hook: The class that computes; its `version` is in the key of a job that uses it.
        needs: Capabilities that the learner must have for it.
    """

    name: str
    label: str
    config: type[Any]
    hook: type[Any]
    needs: frozenset[str] = frozenset()


DISTRIBUTION, PARTS = frozenset({"distribution"}), frozenset({"parts"})
KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(name="bc", label="BC", config=retention.BCConfig, hook=retention.BC, needs=DISTRIBUTION),
        Kind(name="ks", label="KS", config=retention.KSConfig, hook=retention.KS, needs=DISTRIBUTION),
        Kind(name="ewc", label="EWC", config=retention.EWCConfig, hook=retention.EWC, needs=DISTRIBUTION),
        Kind(name="l2", label="L2", config=retention.L2Config, hook=retention.L2),
        Kind(name="l2-init", label="L2 init", config=retention.L2InitConfig, hook=retention.L2Init),
        Kind(
            name="critic-warm-up",
            label="critic warm-up",
            config=retention.CriticWarmUpConfig,
            hook=retention.CriticWarmUp,
            needs=PARTS,
        ),
        Kind(
            name="head-only",
            label="head only",
            config=retention.HeadOnlyConfig,
            hook=retention.HeadOnly,
            needs=PARTS,
        ),
        Kind(
            name="freeze",
            label="encoder frozen",
            config=retention.FreezeConfig,
            hook=retention.Freeze,
            needs=PARTS,
        ),
        Kind(
            name="shrink-perturb",
            label="shrink and perturb",
            config=retention.ShrinkPerturbConfig,
            hook=retention.ShrinkPerturb,
        ),
        Kind(
            name="drift",
            label="drift measured",
            config=retention.DriftConfig,
            hook=retention.Drift,
            needs=DISTRIBUTION,
        ),
    )
}
LOGGED = "drift"  # beside every other one of a learner that has a distribution


def parsed(names: Sequence[str]) -> tuple[str, ...]:
    """Returns the names in one order, so that "bc+l2" and "l2+bc" are the same method.

    Raises:
        StudyError: Nobody knows one, or one stands twice.
    """
    if strange := [name for name in names if name not in KINDS]:
        raise StudyError(
            f"no retention is called {', '.join(strange) or '(nothing)'}; use {', '.join(KINDS)}"
        )
    if len(set(names)) < len(names):
        raise StudyError(f"retentions {'+'.join(names)}: name each once")
    return tuple(name for name in KINDS if name in names)


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
    logged = KINDS[LOGGED].needs <= capabilities
    spec = {}
    for name in parsed([*dict.fromkeys([*names, *[LOGGED] * logged])]):
        try:
            config = KINDS[name].config(**settings.get(name, {}))
        except (TypeError, ValueError) as error:
            raise StudyError(f"retention {name}: {error}") from error
        spec[name] = {"version": KINDS[name].hook.version, **fields_of(config)}
    return spec


def read(spec: Mapping[str, Mapping[str, Any]]) -> tuple[Any, ...]:
    """Returns the settings in a job's spec, in order."""
    return tuple(
        KINDS[name].config(
            **{
                field: tuple(value) if isinstance(value, list) else value
                for field, value in spec[name].items()
                if field != "version"
            }
        )
        for name in parsed(list(spec))
    )
