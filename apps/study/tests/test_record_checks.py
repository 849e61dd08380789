"""Records with a field that is not what it can be, and configs that no file would give back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from fvm_meta import MultiTask
from fvm_meta.retention import L2, L2Config, L2Init
from study.config import Settings, StudyConfig
from study.errors import StudyError
from study.identity import version_of
from study.methods import GRADIENT
from study.presets import toy
from study.record_checks import check_record
from study.records import LearnerKind, MethodKind, RetentionKind
from study.registry import register, registered
from study.resolve import check


@pytest.mark.parametrize("kind", vars(registered()))
def test_all_that_is_built_in_passes(kind: str) -> None:
    for record in getattr(registered(), kind).values():
        check_record(record, record.name)


class Plain:
    """No dataclass."""


@dataclass(frozen=True, kw_only=True)
class Inner:
    """A config within a config."""

    a: int = 1


class Set(MultiTask):
    """A paradigm with a Config that is none."""

    Config = Plain


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"adaptations": GRADIENT}, r"give a tuple, with a comma after its one entry"),
        ({"adaptations": ()}, r"adaptations of the method 'mine' are \(\); give a tuple of at least one"),
        ({"adaptations": ("gradient",)}, r"are \('gradient',\); give a tuple of at least one Adaptation"),
        ({"adaptations": (GRADIENT, GRADIENT)}, r"are called gradient, gradient; give each its own name"),
        ({"adaptations": (replace(GRADIENT, name="a+b"),)}, r"'a\+b' .* leave out blanks, ':', '\+'"),
        ({"adaptations": (replace(GRADIENT, does="plays"),)}, r"is 'plays'; give one of learns, acts, noth"),
        ({"adaptations": (replace(GRADIENT, label="{} {}"),)}, r"is '{} {}'; {} stands once for the"),
        ({"adaptations": (replace(GRADIENT, config=["coef"]),)}, r"is \['coef'\]; give a dict"),
        ({"needs": "latent"}, r"needs of the method 'mine' is 'latent'; give a frozenset"),
        ({"paradigm": 3}, r"paradigm of the method 'mine' is 3; give a class or a function"),
        ({"paradigm": Set}, r"Set.Config is .*; give a dataclass"),
        ({"label": None}, r"label of the method 'mine' is None; give text"),
        ({"pretrains": 1}, r"pretrains of the method 'mine' is 1; give True or False"),
    ],
)
def test_a_method_is_told_what_is_wrong_when_it_is_registered(changes: dict[str, Any], said: str) -> None:
    fields = {"name": "mine", "label": "Mine", "paradigm": MultiTask, "adaptations": (GRADIENT,), **changes}
    with pytest.raises((TypeError, ValueError), match=said):
        register(MethodKind(**fields))
    assert "mine" not in registered().methods


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"capabilities": "inner"}, "capabilities of the learner 'mine' is 'inner'; give a frozenset"),
        ({"config": Plain}, "config of the learner 'mine' is .*; give a dataclass"),
        ({"learner": Plain()}, "learner of the learner 'mine' is .*; give text or a class"),
    ],
)
def test_a_learner_too(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(TypeError, match=said):
        register(LearnerKind(**{"name": "mine", "config": Inner, "learner": Plain, **changes}))


@dataclass(frozen=True, kw_only=True)
class Needy:
    """Settings without defaults."""

    coef: float


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"config": Plain}, "config of the retention 'l2' is .*; give a dataclass"),
        (
            {"config": Needy},
            "config of the retention 'l2' cannot be made without settings: .*'coef'; give def",
        ),
        ({"config": Inner}, r"config of the retention 'l2' has no make\(\); let it return the hook"),
        (
            {"hook": None},
            r"config of the retention 'l2' has no learner\(\); let it return of a learner's config",
        ),
        ({"hook": L2Init}, "hook of the retention 'l2' is called 'l2-init'; give both the same name"),
        ({"hook": Plain}, "hook of the retention 'l2' is .*Plain'>; give a fvm_meta.retention.Retention"),
        ({"needs": "parts"}, "needs of the retention 'l2' is 'parts'; give a frozenset"),
        ({"already": None}, "already of the retention 'l2' is None; give text"),
    ],
)
def test_a_retention_too(changes: dict[str, Any], said: str) -> None:
    record = RetentionKind(**{"name": "l2", "label": "L2", "config": L2Config, "hook": L2, **changes})
    with pytest.raises((TypeError, ValueError), match=said):
        check_record(record, "the retention 'l2'")


@pytest.mark.parametrize(
    ("presets", "said"),
    [
        ({}, "the benchmark 'mine' has no presets; give at least one StudyConfig by its name"),
        ([toy.QUICK] * 9, r"presets of the benchmark 'mine' is \[StudyConfig\(.{,300}; give a dict"),
        ({"quick": {}}, "the preset 'quick' of the benchmark 'mine' is {}; give a study.config.StudyConfig"),
        ({"quick": toy.QUICK}, "says benchmark='toy', preset='quick'; let it say 'mine', 'quick'"),
        ({"large": replace(toy.QUICK, benchmark="mine")}, "preset='quick'; let it say 'mine', 'large'"),
    ],
)
def test_a_benchmarks_presets_are_studies_of_its_own_under_their_names(presets: Any, said: str) -> None:
    with pytest.raises((TypeError, ValueError), match=said):
        check_record(replace(toy.TOY, name="mine", presets=presets), "the benchmark 'mine'")
    mine = replace(toy.QUICK, benchmark="mine")
    check_record(replace(toy.TOY, name="mine", presets={"quick": mine}), "the benchmark 'mine'")


def test_sets_and_lists_are_no_fault() -> None:
    fields: dict[str, Any] = {"config": Inner, "learner": Plain, "capabilities": {"inner"}}
    check_record(LearnerKind(name="mine", **fields), "mine")
    adaptations: Any = [GRADIENT]
    check_record(MethodKind(name="a", label="A", paradigm=MultiTask, adaptations=adaptations), "mine")


def test_a_learner_that_cannot_be_imported_is_named() -> None:
    with pytest.raises(ValueError, match=r"the learner 'mine' is 'nowhere:Mine', and that cannot be"):
        _ = LearnerKind(name="mine", config=Inner, learner="nowhere:Mine").made_by


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"held_out": (np.int64(84),)}, r"toy.held_out is .*84.*, a int64; a study keeps numbers, text"),
        ({"env_options": {"cell_pixels": {1}}}, r"toy.env_options.cell_pixels is \{1\}, a set; a study"),
    ],
)
def test_what_no_file_gives_back_is_told_before_it_is_planned(
    small: StudyConfig, fields: dict[str, Any], said: str
) -> None:
    with pytest.raises(TypeError, match=said):
        check(replace(small, **fields))


def test_fields_of_a_learner_are_plain(small: StudyConfig) -> None:
    learner = replace(small.adapt.learner)
    object.__setattr__(learner, "network", Inner())
    with pytest.raises(TypeError, match=r"PPOConfig.network is Inner\(a=1\), a Inner; a study keeps numbers"):
        check(replace(small, adapt=replace(small.adapt, learner=learner)))


def test_settings_that_no_paradigm_takes_are_told(small: StudyConfig) -> None:
    with pytest.raises(StudyError, match=r"multitask cannot set up MultiTask: it has no Config, which"):
        check(replace(small, settings={"multitask": Settings(config={"coef": 1.0})}))
    with pytest.raises(StudyError, match=r"reptile cannot set up Reptile: .*unexpected keyword argument"):
        check(replace(small, methods=("reptile",), settings={"reptile": Settings(config={"cof": 1.0})}))


@pytest.mark.parametrize("version", ["1.0", 1.5, True])
def test_a_version_is_a_whole_number(version: Any) -> None:
    with pytest.raises(ValueError, match=r"the version of Plain is .*; give a whole number"):
        version_of(Plain, version)
