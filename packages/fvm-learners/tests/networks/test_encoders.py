"""Encoders by name or of the user's own, and what they can encode."""

import sys
from types import ModuleType

import gymnasium as gym
import numpy as np
import pytest
import torch
from fvm_learners import PPO, PPOConfig, Rainbow, RainbowConfig
from fvm_learners.networks.encoders import make_own_encoder
from torch import nn

ACTIONS = gym.spaces.Discrete(3)


class Own(nn.Module):
    """Sees bool grids or vectors alike; its weights are torch's default draw."""

    def __init__(self, shape):
        super().__init__()
        self.layer = nn.Linear(int(np.prod(shape)), 7)

    def forward(self, obs):
        return self.layer(obs.flatten(1).float())


@pytest.fixture
def own(monkeypatch):
    module = ModuleType("users_encoders")
    module.Own, module.number, module.Flat = Own, lambda shape: 3, lambda shape: nn.Flatten(0)
    module.Normed = lambda shape: nn.Sequential(nn.LazyLinear(5), nn.BatchNorm1d(5), nn.BatchNorm1d(5).eval())
    monkeypatch.setitem(sys.modules, "users_encoders", module)
    return "users_encoders:Own"


def make(kind, space, encoder):
    if kind == "ppo":
        return PPO(space, ACTIONS, PPOConfig(network=encoder), seed=0)
    config = RainbowConfig(encoder=encoder, latent_size=2, replay_capacity=2000)
    return Rainbow(space, ACTIONS, config, seed=0)


KINDS = pytest.mark.parametrize("kind", ["ppo", "rainbow"])


@KINDS
@pytest.mark.parametrize(
    ("space", "dtype"),
    [
        (gym.spaces.Box(0, 1, (4, 4, 2), np.bool_), torch.bool),
        (gym.spaces.Box(0, 255, (4, 4, 2), np.uint8), torch.uint8),
        (gym.spaces.Box(-1, 1, (6,), np.float64), torch.float32),
    ],
)
def test_an_encoder_of_the_users_is_used_as_it_was_made(own, kind, space, dtype):
    learner = make(kind, space, own)
    encoder = learner.policy.encoder
    assert isinstance(encoder, Own)
    assert encoder.num_features == 7
    assert learner.policy.obs_dtype == dtype
    assert encoder.layer.bias.abs().max() > 0  # orthogonal initialisation would have made it 0
    again = make(kind, space, own).weights()
    for name, tensor in learner.weights().items():
        assert torch.equal(tensor, again[name])


def test_it_draws_from_its_seed_and_leaves_the_global_generator_alone(own):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    one, other, third = (make_own_encoder(own, (6,), torch.float32, seed) for seed in (0, 0, 1))
    assert torch.equal(one.layer.weight, other.layer.weight)
    assert not torch.equal(one.layer.weight, third.layer.weight)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.usefixtures("own")
def test_a_new_encoder_has_counted_no_observations_and_keeps_its_modes():
    made = make_own_encoder("users_encoders:Normed", (6,), torch.float32, 0)
    norm, still = made[1], made[2]
    assert (norm.num_batches_tracked, norm.training, still.training) == (0, True, False)
    assert torch.equal(norm.running_var, torch.ones(5))
    assert made[0].in_features == 6  # what is lazy has its shapes


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("users_encoders:Missing", "cannot be imported: .*Missing"),
        ("no_such_module:Own", "cannot be imported: No module named 'no_such_module'"),
        ("users_encoders:number", "made 3: expected a torch.nn.Module"),
        ("users_encoders:Flat", r"gives torch.float32 \(12,\) for two observations: expected float features"),
    ],
)
@pytest.mark.usefixtures("own")
def test_what_is_no_encoder_is_named(name, message):
    with pytest.raises(ValueError, match=message):
        make_own_encoder(name, (6,), torch.float32, 0)


@KINDS
@pytest.mark.parametrize(
    ("space", "error", "message"),
    [
        (gym.spaces.Box(0, 1, (10, 10, 4), np.float32), TypeError, "takes uint8 or bool images"),
        (
            gym.spaces.Box(0, 1, (4, 10, 10), np.bool_),
            ValueError,
            r"looks like \[C, H, W\]: move the",
        ),
        (gym.spaces.Box(0, 1, (2, 2, 1), np.bool_), ValueError, "of at least 3 x 3"),
        (gym.spaces.MultiBinary(4), TypeError, "is not a Box: flatten it"),
    ],
)
def test_what_minatar_cannot_see_is_named(kind, space, error, message):
    with pytest.raises(error, match=message):
        make(kind, space, "minatar")


@KINDS
def test_bools_are_zero_and_one(kind):
    space = gym.spaces.Box(0, 1, (10, 10, 4), np.bool_)
    grid = np.random.default_rng(0).random((2, 10, 10, 4)) < 0.3
    encoder = make(kind, space, "minatar").policy.encoder
    as_bytes = encoder(torch.from_numpy(grid.astype(np.uint8) * 255))
    assert torch.equal(encoder(torch.from_numpy(grid)), as_bytes)


def test_multi_discrete_actions_are_refused_with_the_way_out():
    space = gym.spaces.Box(-1, 1, (3,), np.float32)
    with pytest.raises(TypeError, match=r"MultiDiscrete\(\[n, m\]\) becomes Discrete\(n \* m\)"):
        PPO(space, gym.spaces.MultiDiscrete([2, 3]), PPOConfig(), seed=0)


def test_observations_without_numbers_are_refused():
    with pytest.raises(ValueError, match=r"shape \(0,\) hold no numbers"):
        PPO(gym.spaces.Box(-1, 1, (0,)), gym.spaces.Discrete(2), PPOConfig(), seed=0)
