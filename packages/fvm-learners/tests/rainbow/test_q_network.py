from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
import torch
from fvm_learners import DATA_EFFICIENT, RainbowConfig
from fvm_learners.rainbow.config import RAINBOW
from fvm_learners.rainbow.q_network import QNetwork

VECTOR = gym.spaces.Box(-1, 1, (6,), np.float32)
SMALL = RainbowConfig(mlp_sizes=(8,), hidden_size=5, num_atoms=7, v_min=-3, v_max=3)


def network(space=VECTOR, actions=4, config=SMALL, seed=0):
    return QNetwork(space, gym.spaces.Discrete(actions), config, torch.Generator().manual_seed(seed))


def obs_of(rows, seed=0):
    return torch.randn(rows, 6, generator=torch.Generator().manual_seed(seed))


def streams(q, obs):
    """Value [B, 1, Z] and advantage [B, A, Z] without noise."""
    features = q.encoder(obs)
    value = q.value(torch.relu(q.value_hidden(features, None)), None)
    advantage = q.advantage(torch.relu(q.advantage_hidden(features, None)), None)
    return value.unsqueeze(1), advantage.view(len(obs), 4, 7)


def test_dueling_streams_join_as_in_the_paper():
    """Softmax over atoms of value + advantage - mean over actions of advantage."""
    q, obs = network(), obs_of(3)
    value, advantage = streams(q, obs)
    logits = value + advantage - advantage.mean(dim=1, keepdim=True)
    assert (logits.softmax(dim=-1) - q(obs).exp()).abs().max() < 1e-6
    assert (value + advantage).softmax(dim=-1).sub(q(obs).exp()).abs().max() > 1e-3
    torch.testing.assert_close(q(obs).exp().sum(dim=-1), torch.ones(3, 4))
    torch.testing.assert_close(q.q_values(obs), q(obs).exp() @ torch.linspace(-3, 3, 7))


def test_what_is_added_to_all_advantages_changes_nothing():
    q, obs = network(), obs_of(3)
    before = q(obs)
    with torch.no_grad():
        q.advantage.bias.add_(torch.arange(7.0).repeat(4))
    torch.testing.assert_close(q(obs), before)


def test_output_relu_is_one_after_both_streams():
    obs = obs_of(50)
    with_relu, without = network(config=replace(SMALL, output_relu=True)), network()
    assert all(torch.equal(a, b) for a, b in zip(with_relu.parameters(), without.parameters(), strict=True))
    value, advantage = (stream.relu() for stream in streams(without, obs))
    logits = value + advantage - advantage.mean(dim=1, keepdim=True)
    torch.testing.assert_close(with_relu(obs), logits.log_softmax(dim=-1))
    assert (with_relu(obs) - without(obs)).abs().max() > 0.1


def test_noise_is_a_rows_own_or_the_batchs():
    q, obs = network(), obs_of(3)
    noise = q.draw_noise(3, torch.Generator().manual_seed(1))
    own = q(obs, noise)
    for i in range(3):
        torch.testing.assert_close(q(obs[i : i + 1], noise[i : i + 1])[0], own[i], rtol=1e-4, atol=1e-5)
        assert (q(obs, noise[i : i + 1])[i] - own[i]).abs().max() < 1e-4
    assert (q(obs) - own).abs().max() > 0.01
    again = q.draw_noise(3, torch.Generator().manual_seed(1))
    assert torch.equal(noise, again)


def test_weights_depend_on_the_rng_alone():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    a, b, c = network(seed=0), network(seed=0), network(seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(
        torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    )
    assert not torch.equal(a.value.weight, c.value.weight)


@pytest.mark.parametrize(
    ("config", "shape", "features", "parameters"),
    [
        # 4*32*25 + 32 + 32*64*25 + 64 = 54,496; heads of 2 x (mu, sigma): hidden 576*256 + 256, value 256*51
        # + 51, advantage 256*6*51 + 306
        (DATA_EFFICIENT, (84, 84, 4), 576, 54_496 + 2 * (2 * 147_712 + 13_107 + 78_642)),
        # 4*32*64 + 32 + 32*64*16 + 64 + 64*64*9 + 64 = 77,984; 3136 features, 512 units
        (RAINBOW, (84, 84, 4), 3136, 77_984 + 2 * (2 * 1_606_144 + 26_163 + 156_978)),
    ],
)
def test_sizes_of_the_published_networks(config, shape, features, parameters):
    q = network(gym.spaces.Box(0, 255, shape, np.uint8), 6, config)
    assert q.encoder.num_features == features
    assert sum(parameter.numel() for parameter in q.parameters()) == parameters


@pytest.mark.parametrize(("encoder", "side"), [("data-efficient", 25), ("nature", 36), ("minatar", 6)])
def test_image_encoders(encoder, side):
    image = gym.spaces.Box(0, 255, (side, side + 1, 3), np.uint8)
    config = replace(SMALL, encoder=encoder)
    q = network(image, config=config)
    frames = np.random.default_rng(0).integers(0, 256, (2, 3, side, side + 1), dtype=np.uint8)
    obs = torch.from_numpy(frames).permute(0, 2, 3, 1)
    torch.testing.assert_close(q(obs), q(obs.contiguous()))  # memory format does not matter
    torch.testing.assert_close(q(q.prepared(obs)), q(obs))
    assert (q(obs)[0] - q(obs)[1]).abs().max() > 0
    with pytest.raises(
        ValueError, match=f"needs images .* of at least .*, got .*{side // 3}.*: enlarge them"
    ):
        network(gym.spaces.Box(0, 255, (side // 3, 40, 3), np.uint8), config=config)


def test_a_latent_joins_both_streams():
    q, obs = network(config=replace(SMALL, latent_size=2)), obs_of(3)
    zero, one = (q(obs, None, torch.full((3, 2), value)) for value in (0.0, 1.0))
    assert (zero - one).abs().max() > 0.01
    features = torch.cat((q.encoder(obs), torch.ones(3, 2)), dim=1)
    value = q.value(torch.relu(q.value_hidden(features, None)), None)
    advantage = q.advantage(torch.relu(q.advantage_hidden(features, None)), None).view(3, 4, 7)
    logits = value.unsqueeze(1) + advantage - advantage.mean(dim=1, keepdim=True)
    torch.testing.assert_close(one, logits.log_softmax(dim=-1))
    with pytest.raises(ValueError, match="latent_size=2 and got no latent: use a sampler that gives one"):
        q(obs)


def test_the_context_encoder_gives_a_gaussian_for_each_transition():
    q = network(config=replace(SMALL, latent_size=2, context_hidden_size=9))
    obs, action = obs_of(6).view(2, 3, 6), torch.tensor([[0, 1, 2], [3, 0, 1]])
    reward = torch.linspace(-1, 1, 6).view(2, 3)
    mean, variance = q.context_encoder(obs, action, reward)
    assert mean.shape == variance.shape == (2, 3, 2)
    assert (variance > 0).all()
    one_hot = torch.eye(4)[action[1, 2]]
    own = q.context_encoder
    joined = torch.cat((own.encoder(obs[1, 2:3])[0], one_hot, reward[1, 2:3]))
    out = own.gaussian(torch.relu(own.hidden(joined)))
    torch.testing.assert_close(mean[1, 2], out[:2])
    torch.testing.assert_close(variance[1, 2], torch.log1p(out[2:].exp()))


def test_spaces_it_cannot_take():
    with pytest.raises(TypeError, match="not Discrete, and Rainbow compares every action: use PPO, or wrap"):
        QNetwork(VECTOR, VECTOR, SMALL, torch.Generator())
    with pytest.raises(TypeError, match="is not a Box: flatten it"):
        network(gym.spaces.Dict({"obs": VECTOR}))
    with pytest.raises(TypeError, match="takes uint8 or bool images"):
        network(VECTOR, config=replace(SMALL, encoder="nature"))
