"""Networks as plain modules: the frozen policy's numbers, and the same again from ONNX without torch."""

import re
from dataclasses import replace
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch
from fvm_learners import PPO, Agent, PPOConfig, Rainbow, RainbowConfig

README = (Path(__file__).parent.parent / "README.md").read_text()
IMAGE = gym.spaces.Box(0, 255, (12, 10, 2), np.uint8)
VECTOR = gym.spaces.Box(-10, 10, (4,), np.float32)
TOLD = gym.spaces.Dict(obs=VECTOR, feedback=gym.spaces.Box(-10, 10, (5,), np.float32))
BOX = gym.spaces.Box(np.array([-1.0, 0.0], np.float32), np.array([1.0, 5.0], np.float32))
DISCRETE = gym.spaces.Discrete(3)
SMALL_PPO = PPOConfig(mlp_sizes=(8,), lstm_size=8)
SMALL_RAINBOW = RainbowConfig(mlp_sizes=(8,), hidden_size=8, num_atoms=5, replay_capacity=2000)


def agent_of(name):
    kind, *arguments = {
        "ppo": (PPO, VECTOR, DISCRETE, SMALL_PPO),
        "continuous": (PPO, VECTOR, BOX, SMALL_PPO),
        "images": (PPO, IMAGE, DISCRETE, replace(SMALL_PPO, network="minatar")),
        "recurrent": (PPO, IMAGE, DISCRETE, replace(SMALL_PPO, network="impala", recurrent=True)),
        "rl2": (PPO, TOLD, DISCRETE, replace(SMALL_PPO, recurrent=True)),
        "rainbow": (Rainbow, IMAGE, DISCRETE, replace(SMALL_RAINBOW, encoder="minatar")),
        "pearl": (Rainbow, VECTOR, DISCRETE, replace(SMALL_RAINBOW, latent_size=2)),
    }[name]
    return Agent.of(kind(*arguments, seed=0))


def inputs_of(agent, batch):
    """Observations, and a memory or latents where the agent has them."""
    agent.observation_space.seed(0)
    obs = [agent.observation_space.sample() for _ in range(batch)]
    if isinstance(obs[0], dict):
        shown = {part: torch.from_numpy(np.stack([one[part] for one in obs])) for part in obs[0]}
    else:
        shown = torch.from_numpy(np.stack(obs))
    zeros = agent.policy.initial_state(batch)
    generator = torch.Generator().manual_seed(0)
    return (shown,) if zeros is None else (shown, torch.randn(zeros.shape, generator=generator))


def outputs_of(agent, inputs):
    outputs = agent.module()(*inputs)
    return [tensor.numpy() for tensor in (outputs if isinstance(outputs, tuple) else (outputs,))]


@pytest.mark.parametrize("name", ["ppo", "continuous", "images", "recurrent", "rl2", "rainbow", "pearl"])
def test_a_module_prefers_what_the_agent_plays(name):
    """The most probable action of the module is the one that the policy takes for noise in its middle."""
    agent = agent_of(name)
    inputs = inputs_of(agent, 6)
    preferred, *after = outputs_of(agent, inputs)
    network = agent.policy.network if name in ("rainbow", "pearl") else agent.policy._policy
    weights = agent.module().state_dict()
    assert weights.keys() == {f"network.{part}" for part in agent.policy.weights}
    with torch.no_grad():
        if name in ("rainbow", "pearl"):
            expected = network(inputs[0], None, *inputs[1:]).exp() @ network.atoms
            assert np.allclose(preferred, expected.numpy(), atol=1e-6)
            return
        never = torch.zeros(6, dtype=torch.bool)
        dist, _, state = network(*inputs, *([never] if len(inputs) > 1 else []))
    assert np.allclose(preferred, dist.params.numpy(), atol=1e-6)
    if after:
        assert np.allclose(after[0], state.numpy(), atol=1e-6)


def test_a_module_is_a_copy():
    agent = agent_of("ppo")
    before = dict(agent.policy.weights)
    with torch.no_grad():
        for parameter in agent.module().parameters():
            parameter.add_(1.0)
    assert all(torch.equal(before[name], tensor) for name, tensor in agent.policy.weights.items())


def test_a_policy_without_a_module_says_so():
    policy = type("Policy", (), {})()
    agent = Agent(policy, learner="mine", config=None, observation_space=VECTOR, action_space=DISCRETE)
    with pytest.raises(ValueError, match="policies of 'mine' give no plain module"):
        agent.module()


@pytest.mark.parametrize("name", ["continuous", "recurrent", "rl2", "rainbow", "pearl"])
def test_onnx_gives_the_same_numbers_for_any_number_of_envs(name, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    agent = agent_of(name)
    rows = torch.export.Dim("batch")
    given = inputs_of(agent, 2)
    shapes = tuple({part: {0: rows} for part in one} if isinstance(one, dict) else {0: rows} for one in given)
    torch.onnx.export(agent.module(), given, tmp_path / "agent.onnx", dynamic_shapes=shapes, verbose=False)
    session = onnxruntime.InferenceSession(tmp_path / "agent.onnx")
    inputs = inputs_of(agent, 5)
    flat = [part for one in inputs for part in (one.values() if isinstance(one, dict) else [one])]
    names = [each.name for each in session.get_inputs()]
    found = session.run(None, {name: part.numpy() for name, part in zip(names, flat, strict=True)})
    for one, other in zip(found, outputs_of(agent, inputs), strict=True):
        assert np.allclose(one, other, rtol=1e-5, atol=1e-5)


def test_the_readmes_onnx_example(tmp_path):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    (example,) = re.findall(r"```python onnx\n(.*?)```", README, re.DOTALL)
    assert len([line for line in example.splitlines() if line.strip()]) <= 16
    agent = agent_of("ppo")
    names = {"agent": agent, "folder": tmp_path, "torch": torch, "obs": np.ones(4, np.float32)}
    exec(example, names)
    expected = agent.module()(torch.ones(1, 4)).detach().numpy()
    assert np.allclose(names["log_probs"], expected, atol=1e-5)
