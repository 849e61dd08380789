from dataclasses import fields

import pytest
from fvm_learners import DATA_EFFICIENT, RainbowConfig
from fvm_learners.rainbow.config import RAINBOW, SMALL


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"n_step": 0}, "n_step=0: give a whole number of at least 1"),
        ({"updates_per_env_step": 0}, "updates_per_env_step=0: give a finite number above 0"),
        ({"noisy_sigma": -1}, "noisy_sigma=-1: give a finite number, 0 or more"),
        ({"discount": 1.1}, "discount=1.1: give a number from 0 to 1"),
        ({"num_atoms": 1}, "num_atoms=1: give a whole number of at least 2"),
        ({"v_min": 3, "v_max": 3}, "v_min=3 and v_max=3: give finite numbers, v_min below v_max"),
        ({"reward_clip": 0}, "reward_clip=0: give a finite number above 0, or None"),
        ({"learn_start": 11, "replay_capacity": 10}, "learn_start=11 is more than the replay_capacity=10"),
        ({"encoder": "impala"}, "encoder='impala': choose one of mlp, data-efficient, nature, minatar"),
        ({"mlp_sizes": ()}, r"mlp_sizes=\(\): give at least one width"),
        ({"priority_loss": "td"}, "priority_loss='td': choose 'cross-entropy' or 'kl'"),
        ({"update_mode": "fast"}, "update_mode='fast': choose one of eager, compile, cuda-graph"),
        ({"tasks_per_batch": 0}, "tasks_per_batch=0: give a whole number of at least 1, or None for all"),
    ],
)
def test_values_out_of_range_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        RainbowConfig(**values)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1.5, True, "3"])
@pytest.mark.parametrize("field", [field.name for field in fields(RainbowConfig) if field.type is int])
def test_counts_are_whole_numbers(field, value):
    with pytest.raises(ValueError, match=f"{field}={value!r}: give a whole number"):
        RainbowConfig(**{field: value})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), True, "3"])
@pytest.mark.parametrize("field", [field.name for field in fields(RainbowConfig) if field.type is float])
def test_rates_are_finite(field, value):
    with pytest.raises(ValueError, match=rf"{field}={value}|{field}={value!r}"):
        RainbowConfig(**{field: value})


def test_beta_rises_linearly_to_1_and_stays():
    config = RainbowConfig(importance_exponent=0.4, beta_anneal_env_steps=1000)
    assert [config.beta_at(step) for step in (0, 500, 1000, 5000)] == pytest.approx([0.4, 0.7, 1, 1])


def test_the_published_presets_agree_where_the_papers_do():
    """Both papers: batch 32, alpha .5, beta .4 to 1, 51 atoms in [-10, 10], gamma .99, eps 1.5e-4, clip 1."""
    for preset in (DATA_EFFICIENT, RAINBOW):
        assert (preset.batch_size, preset.priority_exponent, preset.importance_exponent) == (32, 0.5, 0.4)
        assert (preset.num_atoms, preset.v_min, preset.v_max, preset.discount) == (51, -10, 10, 0.99)
        assert (preset.adam_eps, preset.max_grad_norm, preset.reward_clip) == (1.5e-4, 10, 1)
        assert (preset.frame_stack, preset.target_period_updates) == (4, 2000)
        assert not preset.output_relu
        assert not preset.shifted_transitions
    assert (DATA_EFFICIENT.n_step, RAINBOW.n_step, SMALL.frame_stack) == (20, 3, 1)
