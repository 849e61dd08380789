"""What the numbers of a config may be."""

from dataclasses import fields, replace
from types import SimpleNamespace

import numpy as np
import pytest
from fvm_learners import PPOConfig, RainbowConfig
from fvm_learners import config_checks as checks
from fvm_learners.c2f_arm import C2FARMConfig

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("check", "good", "bad", "message"),
    [
        (checks.check_counts, [1, 7, np.int64(3)], [0, 1.5, 2.0, NAN, INF, True, "3", None], "whole number"),
        (checks.check_above_zero, [1, 1e-9, np.float32(2)], [0, -1, NAN, INF, True, "1"], "finite number ab"),
        (checks.check_not_negative, [0, 0.5], [-1e-9, NAN, INF, None], "finite number, 0 or more"),
        (checks.check_fractions, [0, 1, 0.5], [-0.1, 1.1, NAN, INF], "number from 0 to 1"),
    ],
)  # fmt: skip
def test_fields_are_held_against_their_bounds(check, good, bad, message):
    for value in good:
        check(SimpleNamespace(one=1, other=value), ("one", "other"))
    for value in bad:
        with pytest.raises(ValueError, match=f"other={value!r}: give a {message}"):
            check(SimpleNamespace(one=1, other=value), ("one", "other"))


@pytest.mark.parametrize("value", [None, 1, 5])
def test_an_optional_count_may_be_none(value):
    checks.check_optional_count(SimpleNamespace(n=value), "n", "all of them")
    checks.check_optional_above_zero(SimpleNamespace(n=value), "n", "no clipping")


@pytest.mark.parametrize("value", [0, -2, NAN, INF, True])
def test_an_optional_count_says_what_none_means(value):
    with pytest.raises(ValueError, match=f"n={value!r}: give a whole number of at least 1, or None for all"):
        checks.check_optional_count(SimpleNamespace(n=value), "n", "all of them")
    with pytest.raises(
        ValueError, match=f"n={value!r}: give a finite number above 0, or None for no clipping"
    ):
        checks.check_optional_above_zero(SimpleNamespace(n=value), "n", "no clipping")


def test_widths_are_at_least_one_whole_number():
    checks.check_widths(SimpleNamespace(sizes=(64, 32)), "sizes")
    checks.check_widths(SimpleNamespace(sizes=[64]), "sizes")
    for sizes in ((), (64, 0), (1.5,), 64, None):
        with pytest.raises(ValueError, match="give at least one width"):
            checks.check_widths(SimpleNamespace(sizes=sizes), "sizes")


@pytest.mark.parametrize(
    "config", [PPOConfig(), RainbowConfig(), C2FARMConfig()], ids=lambda c: type(c).__name__
)
def test_what_is_true_or_false_is_nothing_else(config):
    flags = [field.name for field in fields(config) if field.type in (bool, "bool")]
    assert len(flags) >= 4
    for name in flags:
        replace(config, **{name: False})
        for value in ("no", 0, 1.0, None):
            with pytest.raises(ValueError, match=f"{name}={value!r}: give True or False"):
                replace(config, **{name: value})
