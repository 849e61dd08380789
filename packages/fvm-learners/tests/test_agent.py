"""Agents: saved, loaded and played as they were."""

import json
from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
import torch
from fvm_learners import PPO, Agent, PPOConfig, Rainbow, RainbowConfig, load_agent
from fvm_learners.latent import LatentDistribution
from fvm_learners.memory import Memory
from safetensors.torch import load_file

VECTOR = gym.spaces.Box(-10, 10, (3,), np.float32)
IMAGE = gym.spaces.Box(0, 255, (6, 5, 2), np.uint8)
TOLD = gym.spaces.Dict(obs=VECTOR, feedback=gym.spaces.Box(-10, 10, (4,), np.float32))
ACTIONS = gym.spaces.Discrete(2, start=1)
BOX = gym.spaces.Box(np.array([-1.0, 0.0], np.float32), np.array([1.0, 5.0], np.float32))
PPO_CONFIG = PPOConfig(mlp_sizes=(8, 4), lstm_size=8)
RAINBOW_CONFIG = RainbowConfig(mlp_sizes=(8,), hidden_size=8, num_atoms=5)


def learner_of(name):
    recurrent = replace(PPO_CONFIG, recurrent=True)
    kind, *arguments = {
        "ppo": (PPO, VECTOR, ACTIONS, PPO_CONFIG),
        "continuous": (PPO, VECTOR, BOX, PPO_CONFIG),
        "recurrent": (PPO, VECTOR, ACTIONS, recurrent),
        "images": (PPO, IMAGE, ACTIONS, replace(PPO_CONFIG, network="minatar")),
        "rl2": (PPO, TOLD, ACTIONS, recurrent),
        "rainbow": (Rainbow, VECTOR, ACTIONS, RAINBOW_CONFIG),
        "pearl": (Rainbow, VECTOR, ACTIONS, replace(RAINBOW_CONFIG, latent_size=2)),
    }[name]
    return kind(*arguments, seed=0)


def agent_of(name):
    learner = learner_of(name)
    policy = learner.frozen_policy()
    if name == "rl2":
        policy = policy.remembering(Memory(torch.randn(3, 2, 8), torch.randn(3, 4)))
    if name == "pearl":
        policy = policy.with_latent(LatentDistribution(torch.randn(3, 2), torch.ones(3, 2)))
    return Agent.of(learner, policy, seed=5)


@pytest.mark.parametrize("name", ["ppo", "continuous", "recurrent", "images", "rl2", "rainbow", "pearl"])
def test_a_loaded_agent_plays_as_the_saved_one(name, tmp_path):
    saved = agent_of(name)
    saved.save(tmp_path / "agent")
    assert sorted(path.name for path in (tmp_path / "agent").iterdir()) == [
        "agent.json", "weights.safetensors"
    ]  # fmt: skip
    loaded = load_agent(tmp_path / "agent", seed=5)
    assert (loaded.learner, loaded.config) == (saved.learner, saved.config)
    assert loaded.observation_space == saved.observation_space
    assert loaded.action_space == saved.action_space
    space, states = saved.observation_space, [None, None]
    space.seed(0)
    for t in range(12):
        obs = [space.sample() for _ in range(3)]
        if name == "rl2":
            batch = {part: np.stack([one[part] for one in obs]) for part in obs[0]}
        else:
            batch = np.stack(obs)
        actions = []
        for i, agent in enumerate((saved, loaded)):
            action, states[i] = agent.predict(batch, states[i], np.full(3, t % 4 == 0))
            actions.append(np.asarray(action))
        assert np.array_equal(*actions)
        assert all(saved.action_space.contains(action) for action in actions[0])


def test_one_env_is_played_as_one_of_several():
    learner = PPO(VECTOR, BOX, PPO_CONFIG, seed=0)
    obs = np.ones(3, np.float32)
    action, state = Agent.of(learner, seed=1).predict(obs)
    many, _ = Agent.of(learner, seed=1).predict(obs[None])
    assert action.shape == (2,)
    assert np.array_equal(action, many[0])
    assert state.policy is None


def test_memory_is_kept_within_an_episode_and_cleared_at_a_start():
    agent = Agent.of(learner_of("recurrent"))
    obs = np.ones((2, 3), np.float32)
    _, first = agent.predict(obs)
    _, later = agent.predict(obs, first)
    _, again = agent.predict(obs, later, episode_start=[True, False])
    assert not torch.equal(later.policy, first.policy)
    assert torch.allclose(again.policy[0], first.policy[0], atol=1e-6)
    assert not torch.allclose(again.policy[1], first.policy[1], atol=1e-4)


def test_an_agent_with_feedback_is_told_by_predict_itself(monkeypatch):
    """What Trials would show: last action one-hot, reward times its scale, whether an episode ended."""
    agent, seen = Agent.of(learner_of("rl2"), reward_scale=0.5), []
    act = agent.policy.act

    def watched(obs, state, start, rngs):
        seen.append((obs["feedback"].tolist(), start.tolist()))
        return act(obs, state, start, rngs)

    monkeypatch.setattr(agent.policy, "act", watched)
    obs = np.ones(3, np.float32)
    action, state = agent.predict(obs)
    agent.predict(obs, state, episode_start=True, reward=3.0)
    one_hot = [1.0, 0.0] if action == 1 else [0.0, 1.0]
    assert seen == [([[0.0] * 4], [True]), ([[*one_hot, 1.5, 1.0]], [False])]
    with pytest.raises(ValueError, match="told what its last action earned: give `reward`"):
        agent.predict(obs, state)


def test_the_order_of_an_observations_parts_does_not_count():
    """`spaces.Dict` sorts its parts, so `feedback` comes before `obs`."""
    obs = {"obs": np.ones((2, 3), np.float32), "feedback": np.zeros((2, 4), np.float32)}
    _, one = Agent.of(learner_of("rl2")).predict(obs)
    _, other = Agent.of(learner_of("rl2")).predict(dict(reversed(obs.items())))
    assert torch.equal(one.policy, other.policy)
    single = {name: part[0] for name, part in reversed(obs.items())}
    assert torch.allclose(Agent.of(learner_of("rl2")).predict(single)[1].policy, one.policy[:1], atol=1e-6)


def test_weights_are_named_as_in_the_module_and_load_in_plain_torch(tmp_path):
    learner = learner_of("ppo")
    Agent.of(learner).save(tmp_path)
    weights = load_file(tmp_path / "weights.safetensors")
    assert weights.keys() == learner.policy.state_dict().keys()
    layers = torch.nn.Sequential(
        torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2)
    )
    names = {"0": "encoder.layers.0", "2": "encoder.layers.2", "4": "head.dense"}
    layers.load_state_dict(
        {
            f"{at}.{part}": weights[f"{name}.{part}"]
            for at, name in names.items()
            for part in ("weight", "bias")
        }
    )
    obs = torch.randn(5, 3)
    assert torch.allclose(layers(obs).log_softmax(-1), learner.policy(obs)[0].log_probs, atol=1e-6)


def test_what_is_no_agent_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"holds no agent: expected agent.json"):
        load_agent(tmp_path)
    agent = Agent.of(learner_of("ppo"))
    agent.save(tmp_path)
    path = tmp_path / "agent.json"
    description = json.loads(path.read_text())
    path.write_text(json.dumps(description | {"learner": "mine"}))
    with pytest.raises(ValueError, match=r"a learner 'mine', which .*learners=\{'mine': \(Learner, Config"):
        load_agent(tmp_path)
    assert load_agent(tmp_path, learners={"mine": (PPO, PPOConfig)}).learner == "mine"
    path.write_text(json.dumps(description | {"format": 9}))
    with pytest.raises(ValueError, match="is no agent of format 1"):
        load_agent(tmp_path)
    with pytest.raises(ValueError, match=r"shape \(4,\): expected \(3,\) of one env"):
        agent.predict(np.zeros(4))


def test_a_full_disk_is_an_os_error(tmp_path):
    (tmp_path / "weights.safetensors").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        agent_of("ppo").save(tmp_path)


def test_an_agent_is_loaded_where_its_learner_could_not_learn(tmp_path, monkeypatch):
    """Learned with a CUDA graph, or with bfloat16 on a CPU that has it; and played on one that has not."""
    agent = agent_of("rainbow")
    agent.config = replace(RAINBOW_CONFIG, update_mode="cuda-graph")
    agent.save(tmp_path / "graph")
    loaded = load_agent(tmp_path / "graph")
    assert loaded.config.update_mode == "cuda-graph"
    assert loaded.predict(np.ones(3, np.float32))[0] == agent.predict(np.ones(3, np.float32))[0]
    lower = agent_of("ppo")
    lower.config = replace(PPO_CONFIG, cpu_bfloat16=True)
    lower.save(tmp_path / "lower")
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    loaded = load_agent(tmp_path / "lower", seed=5)
    assert loaded.config.cpu_bfloat16
    assert loaded.predict(np.ones(3, np.float32))[0] == agent_of("ppo").predict(np.ones(3, np.float32))[0]


def test_numbers_of_numpy_in_a_config_are_saved_as_numbers(tmp_path):
    config = replace(PPO_CONFIG, num_steps=np.int64(7), learning_rate=np.float32(0.25))
    Agent.of(PPO(VECTOR, ACTIONS, config, seed=np.int64(0))).save(tmp_path)
    assert load_agent(tmp_path).config == replace(PPO_CONFIG, num_steps=7, learning_rate=0.25)


def test_nothing_is_written_of_an_agent_that_cannot_be_saved(tmp_path):
    agent = agent_of("ppo")
    agent.action_space = gym.spaces.MultiBinary(2)
    with pytest.raises(TypeError, match="MultiBinary"):
        agent.save(tmp_path / "agent")
    assert not (tmp_path / "agent").exists()


def test_what_is_of_another_number_of_envs_is_refused():
    agent, obs = Agent.of(learner_of("recurrent")), np.ones((3, 3), np.float32)
    _, state = agent.predict(obs)
    with pytest.raises(ValueError, match="state is of 3 envs and the observation of 2: give state=None"):
        agent.predict(obs[:2], state)
    with pytest.raises(ValueError, match=r"episode_start has shape \(2,\): expected one for each of 3"):
        agent.predict(obs, state, episode_start=[True, False])
    with pytest.raises(ValueError, match=r"reward has shape \(2,\)"):
        agent.predict(obs, state, reward=[0, 0])


@pytest.mark.parametrize("name", ["ppo", "rainbow"])
def test_a_frozen_policy_wants_a_generator_for_each_slot(name):
    """One for all was drawn from once: all slots explored alike."""
    policy, obs = learner_of(name).frozen_policy(), np.ones((3, 3), np.float32)
    for num in (1, 2, 4):
        rngs = [np.random.default_rng(slot) for slot in range(num)]
        with pytest.raises(ValueError, match=f"{num} generators for 3 slots"):
            policy.act(obs, policy.initial_state(3), np.ones(3, dtype=bool), rngs)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "agent.json is damaged: Expecting value"),
        ('{"format": 1}', "agent.json is damaged: KeyError.'learner'"),
        ('{"format": 1, "learner": "ppo", "config": 3}', "agent.json is damaged"),
        (
            '{"format": 1, "learner": "ppo", "config": {"later": 1}}',
            "PPOConfig has not here, later: load",
        ),
    ],
)
def test_a_damaged_description_is_named(tmp_path, text, message):
    agent_of("ppo").save(tmp_path)
    (tmp_path / "agent.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        load_agent(tmp_path)


def test_weights_that_were_cut_short_are_named(tmp_path):
    agent_of("ppo").save(tmp_path)
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:50])
    with pytest.raises(ValueError, match=r"weights\.safetensors is damaged"):
        load_agent(tmp_path)
