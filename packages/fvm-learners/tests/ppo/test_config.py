from dataclasses import fields

import pytest
from fvm_learners import SMALL_CPU, TRAIN_PROCGEN, PPOConfig


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"num_steps": 0}, "num_steps=0: give a whole number of at least 1"),
        ({"num_minibatches": -1}, "num_minibatches=-1: give a whole number of at least 1"),
        ({"learning_rate": 0.0}, "learning_rate=0.0: give a finite number above 0"),
        ({"learning_rate": float("nan")}, "learning_rate=nan: give a finite number above 0"),
        ({"entropy_coef": -0.1}, "entropy_coef=-0.1: give a finite number, 0 or more"),
        ({"discount": 1.01}, "discount=1.01: give a number from 0 to 1"),
        ({"clip_value": 0.0}, "clip_value=0.0: give a finite number above 0, or None for no clipping"),
        ({"anneal_env_steps": 0}, "anneal_env_steps=0: give a whole number of at least 1, or None for a c"),
        (
            {"network": "imapla"},
            "network='imapla': choose one of mlp, impala, nature, nature-small, nature-h",
        ),
        ({"mlp_sizes": ()}, r"mlp_sizes=\(\): give at least one width"),
    ],
)
def test_bad_values_are_named_with_the_mend(values, message):
    with pytest.raises(ValueError, match=message):
        PPOConfig(**values)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1.5, True, "3"])
@pytest.mark.parametrize("field", [field.name for field in fields(PPOConfig) if field.type is int])
def test_counts_are_whole_numbers(field, value):
    with pytest.raises(ValueError, match=f"{field}={value!r}: give a whole number"):
        PPOConfig(**{field: value})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), True, "3"])
@pytest.mark.parametrize("field", [field.name for field in fields(PPOConfig) if field.type is float])
def test_rates_are_finite(field, value):
    with pytest.raises(ValueError, match=f"{field}={value!r}: give"):
        PPOConfig(**{field: value})


def test_learning_rate_falls_linearly_to_zero_if_asked():
    annealed = PPOConfig(learning_rate=1e-3, anneal_env_steps=1000)
    assert [annealed.learning_rate_at(step) for step in (0, 500, 1000, 2000)] == [1e-3, 5e-4, 0, 0]
    assert PPOConfig(learning_rate=1e-3).learning_rate_at(10**9) == 1e-3


def test_presets():
    assert (TRAIN_PROCGEN.num_steps, TRAIN_PROCGEN.num_epochs, TRAIN_PROCGEN.num_minibatches) == (256, 3, 8)
    assert (TRAIN_PROCGEN.discount, TRAIN_PROCGEN.gae_lambda, TRAIN_PROCGEN.network) == (
        0.999,
        0.95,
        "impala",
    )
    assert (SMALL_CPU.num_steps, SMALL_CPU.num_epochs, SMALL_CPU.num_minibatches) == (64, 2, 16)
    assert (SMALL_CPU.discount, SMALL_CPU.network) == (0.99, "nature-small")
