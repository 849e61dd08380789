import gymnasium as gym
import numpy as np
import pytest
import torch
from fvm_learners.ppo.actor_critic import ActorCritic
from fvm_learners.ppo.config import NETWORKS


def make(space, network, lstm_size=None, seed=0):
    return ActorCritic(
        space,
        gym.spaces.Discrete(4),
        network=network,
        mlp_sizes=(16,),
        lstm_size=lstm_size,
        rng=torch.Generator().manual_seed(seed),
    )


@pytest.mark.parametrize(
    ("network", "parameters"),
    [
        # Convolutions 3*9*16+16, then 4 of 16*9*16+16, and so on; dense 2048*256+256; heads 256*5+5.
        ("impala", 448 + 4 * 2320 + 4640 + 4 * 9248 + 9248 + 4 * 9248 + 524544 + 1285),
        ("nature", 6176 + 32832 + 36928 + 64 * 16 * 512 + 512 + 512 * 5 + 5),
        ("nature-small", 3088 + 8224 + 9248 + 32 * 16 * 256 + 256 + 1285),
        ("nature-halved", 784 + 8224 + 9248 + 32 * 16 * 256 + 256 + 1285),
        ("minatar", 448 + 16 * 62 * 62 * 128 + 128 + 128 * 5 + 5),
    ],
)
def test_parameter_counts_are_the_papers(images, network, parameters):
    assert sum(p.numel() for p in make(images, network).parameters()) == parameters


@pytest.mark.parametrize("network", [name for name in NETWORKS if name != "mlp"])
@pytest.mark.parametrize("shape", [(36, 36, 1), (37, 61, 4), (84, 84, 4)])
def test_any_image_size(network, shape):
    policy = make(gym.spaces.Box(0, 255, shape, np.uint8), network)
    dist, value, state = policy(torch.randint(0, 256, (2, *shape), dtype=torch.uint8))
    assert dist.log_probs.shape == (2, 4)
    assert value.shape == (2,)
    assert state is None


@pytest.mark.parametrize(("shape", "parameters"), [((3, 3, 1), 16 * 128), ((14, 14, 3), 16 * 12 * 12 * 128)])
def test_minatar_takes_small_images(shape, parameters):
    policy = make(gym.spaces.Box(0, 255, shape, np.uint8), "minatar")
    assert policy.encoder.dense.weight.numel() == parameters
    obs = torch.randint(0, 256, (9, *shape), dtype=torch.uint8)
    conv = policy.encoder.conv(obs.permute(0, 3, 1, 2) / 255).relu().flatten(1)
    torch.testing.assert_close(policy.encoder(obs), policy.encoder.dense(conv).relu(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("network", [name for name in NETWORKS if name != "mlp"])
def test_memory_format_changes_nothing(images, network):
    policy = make(images, network)
    obs = torch.randint(0, 256, (3, 64, 64, 3), dtype=torch.uint8)
    value = policy(obs)[1]
    torch.testing.assert_close(
        policy.to(memory_format=torch.channels_last)(obs)[1], value, rtol=1e-4, atol=1e-5
    )


def test_the_first_policy_is_nearly_uniform_and_features_have_unit_scale(images):
    obs = torch.randint(0, 256, (64, 64, 64, 3), dtype=torch.uint8)
    for network in ("impala", "nature", "nature-small", "nature-halved", "minatar"):
        policy = make(images, network)
        assert policy(obs)[0].log_probs.exp().sub(0.25).abs().max() < 0.05
        assert 0.1 < policy.encoder(obs).std() < 3


@pytest.mark.parametrize("network", ["mlp", "nature-small"])
def test_a_sequence_with_resets_equals_acting_step_by_step(images, network):
    space = images if network != "mlp" else gym.spaces.Box(-1, 1, (5,), np.float32)
    policy = make(space, network, lstm_size=8)
    rng = torch.Generator().manual_seed(1)
    obs = (
        torch.rand(9, 3, *space.shape, generator=rng).mul(255 if network != "mlp" else 1).to(policy.obs_dtype)
    )
    starts = torch.rand(9, 3, generator=rng) < 0.3
    dist, value, state = policy(obs, policy.initial_state(3), starts)
    step_state = policy.initial_state(3)
    for t in range(9):
        step_dist, step_value, step_state = policy(obs[t], step_state, starts[t])
        torch.testing.assert_close(step_dist.log_probs, dist.log_probs[t], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(step_value, value[t], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(step_state, state, rtol=1e-4, atol=1e-5)


def test_weights_come_from_the_seed_and_leave_the_global_rng_alone(images):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    a, b, c = (make(images, "nature-small", lstm_size=4, seed=seed).state_dict() for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not torch.equal(a["encoder.conv0.weight"], c["encoder.conv0.weight"])


@pytest.mark.parametrize(
    ("space", "network", "error", "message"),
    [
        (gym.spaces.Discrete(3), "mlp", TypeError, "is not a Box: flatten it"),
        (
            gym.spaces.Box(-1, 1, (4,), np.float32),
            "impala",
            TypeError,
            r"got float32 \(4,\): use network='mlp'",
        ),
        (gym.spaces.Box(0, 255, (4, 84, 84), np.uint8), "nature", ValueError, "move the channels last"),
        (gym.spaces.Box(0, 255, (32, 64, 3), np.uint8), "nature-small", ValueError, "at least 36 x 36"),
        (gym.spaces.Box(0, 255, (2, 9, 3), np.uint8), "minatar", ValueError, "at least 3 x 3"),
    ],
)
def test_unfit_observations_are_refused(space, network, error, message):
    with pytest.raises(error, match=message):
        make(space, network)


def test_a_recurrent_policy_says_what_it_misses():
    policy = make(gym.spaces.Box(-1, 1, (4,), np.float32), "mlp", lstm_size=4)
    with pytest.raises(ValueError, match="needs `state` and `episode_start`"):
        policy(torch.zeros(2, 4))
