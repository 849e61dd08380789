"""Dict observations: what the env shows, and feedback beside it, through network, rollout and state."""

import copy
import warnings
from functools import partial

import gymnasium as gym
import numpy as np
import pytest
import torch
from fvm_learners import PPO, PPOConfig
from fvm_learners.observations import check_finite, map_parts, parts_of, to_tensor
from fvm_learners.ppo.actor_critic import ActorCritic
from fvm_learners.ppo.gae import gae
from fvm_learners.ppo.minibatches import minibatches
from fvm_learners.ppo.rollout import Carry, Rollout, begin, collect
from gymnasium.vector import AutoresetMode

CPU = torch.device("cpu")
SHOWN = gym.spaces.Box(-1, 100, (3,), np.float32)
FEEDBACK = gym.spaces.Box(-np.inf, np.inf, (4,), np.float32)
SPACE = gym.spaces.Dict({"obs": SHOWN, "feedback": FEEDBACK})
ACTIONS = gym.spaces.Discrete(2)


def make(envs, seed=0, **config):
    config = {"num_steps": 7, "num_minibatches": 2, "lstm_size": 8, "mlp_sizes": (8,)} | config
    return PPO(envs.single_observation_space, envs.single_action_space, PPOConfig(**config), seed=seed)


def make_policy(space, network="mlp", lstm_size=None):
    return ActorCritic(
        space,
        ACTIONS,
        network=network,
        mlp_sizes=(8,),
        lstm_size=lstm_size,
        rng=torch.Generator().manual_seed(0),
    )


# ---- the parts


def test_a_dict_is_what_is_shown_and_a_vector_of_feedback():
    assert parts_of(SPACE) == (SHOWN, FEEDBACK)
    assert parts_of(SHOWN) == (SHOWN, None)


@pytest.mark.parametrize(
    "parts",
    [
        {"obs": SHOWN},
        {"feedback": FEEDBACK},
        {"obs": SHOWN, "feedback": FEEDBACK, "goal": SHOWN},
        {"image": SHOWN, "feedback": FEEDBACK},
        {"obs": SHOWN, "feedback": gym.spaces.Discrete(3)},
        {"obs": SHOWN, "feedback": gym.spaces.Box(0, 1, (2, 2))},
    ],
)
def test_other_dicts_are_refused(parts):
    with pytest.raises(TypeError, match=r"is a Dict, but not of 'obs' and a vector 'feedback': flatten it"):
        PPO(gym.spaces.Dict(parts), ACTIONS, PPOConfig(), seed=0)


def test_what_is_shown_must_suit_the_network(images):
    nested = gym.spaces.Dict({"obs": SPACE, "feedback": FEEDBACK})
    with pytest.raises(TypeError, match="is not a Box: flatten it"):
        make_policy(nested)
    with pytest.raises(TypeError, match="network 'nature' takes uint8 or bool images"):
        make_policy(SPACE, "nature")
    assert make_policy(gym.spaces.Dict({"obs": images, "feedback": FEEDBACK}), "nature-small").obs_spec == {
        "obs": (torch.uint8, (64, 64, 3)),
        "feedback": (torch.float32, (4,)),
    }


def test_parts_are_mapped_together_and_an_array_as_it_is():
    one, two = {"obs": 1, "feedback": 10}, {"feedback": 20, "obs": 2}
    assert map_parts(lambda a, b: a + b, one, two) == {"obs": 3, "feedback": 30}
    assert map_parts(lambda a, b: a + b, 1, 2) == 3


def test_what_is_shown_keeps_its_type_and_feedback_is_float32():
    seen = to_tensor({"obs": np.ones((2, 3), np.uint8), "feedback": np.ones((2, 4))}, torch.uint8, CPU)
    assert (seen["obs"].dtype, seen["feedback"].dtype) == (torch.uint8, torch.float32)
    assert to_tensor(np.ones((2, 3), np.uint8), torch.uint8, CPU).dtype == torch.uint8


@pytest.mark.parametrize("dtype", [torch.uint8, torch.bool])
def test_fractions_where_whole_numbers_are_expected_are_refused(dtype):
    """Pixels from 0 to 1 would all be cut to 0."""
    half, said = np.full((2, 3), 0.5, np.float32), str(dtype).removeprefix("torch.")
    for obs in (half, {"obs": half, "feedback": half}):
        with pytest.raises(TypeError, match=f"came as float32, and their space is of {said}:"):
            to_tensor(obs, dtype, CPU)


def test_arrays_that_cannot_be_written_to_are_copied():
    shown = np.arange(6, dtype=np.float32).reshape(2, 3)
    shown.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # torch's
        seen = to_tensor(shown, torch.float32, CPU)
    assert np.array_equal(seen.numpy(), shown)


# ---- the network


@pytest.mark.parametrize("lstm_size", [None, 6])
@pytest.mark.parametrize("network", ["mlp", "minatar"])
def test_feedback_joins_the_features_in_a_linear_embedding(network, lstm_size):
    shown = SHOWN if network == "mlp" else gym.spaces.Box(0, 255, (5, 5, 3), np.uint8)
    policy = make_policy(gym.spaces.Dict({"obs": shown, "feedback": FEEDBACK}), network, lstm_size)
    plain = make_policy(shown, network, lstm_size)
    features = policy.encoder.num_features
    more = sum(p.numel() for p in policy.parameters()) - sum(p.numel() for p in plain.parameters())
    assert more == (features + 4) * features + features
    assert plain.embedding is None

    image = torch.randint(0, 100, (3, *shown.shape)).to(policy.obs_dtype)
    told = torch.randn(3, 4, requires_grad=True)
    start = torch.ones(3, dtype=torch.bool)
    value = policy({"obs": image, "feedback": told}, policy.initial_state(3), start)[1]
    x = torch.cat((policy.encoder(image), told), dim=1) @ policy.embedding.weight.T + policy.embedding.bias
    if policy.lstm is not None:
        x = policy.lstm(x[None], policy.initial_state(3), start[None])[0][0]
    torch.testing.assert_close(value, policy.value(x).squeeze(1), rtol=1e-4, atol=1e-5)
    for slot in range(3):  # each slot's value depends on its own feedback, and on all of it
        (gradient,) = torch.autograd.grad(value[slot], told, retain_graph=True)
        assert (gradient.abs().sum(1) > 0).tolist() == [i == slot for i in range(3)]
        assert (gradient[slot] != 0).all()


def test_a_sequence_of_dicts_equals_acting_step_by_step():
    policy = make_policy(SPACE, lstm_size=6)
    rng = torch.Generator().manual_seed(1)
    obs = {"obs": torch.rand(9, 3, 3, generator=rng), "feedback": torch.rand(9, 3, 4, generator=rng)}
    starts = torch.rand(9, 3, generator=rng) < 0.3
    dist, value, state = policy(obs, policy.initial_state(3), starts)
    step_state = policy.initial_state(3)
    for t in range(9):
        row = {name: part[t] for name, part in obs.items()}
        step_dist, step_value, step_state = policy(row, step_state, starts[t])
        torch.testing.assert_close(step_dist.log_probs, dist.log_probs[t], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(step_value, value[t], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(step_state, state, rtol=1e-4, atol=1e-5)


# ---- rollouts and minibatches


class Told(gym.Wrapper):
    """Beside each observation, twice what it shows and a one."""

    def __init__(self, env):
        super().__init__(env)
        self.observation_space = gym.spaces.Dict({"obs": env.observation_space, "feedback": FEEDBACK})

    def _told(self, obs):
        return {"obs": obs, "feedback": np.append(2 * obs, 1).astype(np.float32)}

    def reset(self, **options):
        obs, info = self.env.reset(**options)
        return self._told(obs), info

    def step(self, action):
        obs, *outcome = self.env.step(action)
        return self._told(obs), *outcome


def told(scripted, mode):
    """The envs of `scripted`, each with feedback."""
    plain = scripted(mode)
    return gym.vector.SyncVectorEnv([lambda env=env: Told(env) for env in plain.envs], autoreset_mode=mode)


def roll(envs, num_steps, lstm_size=None, num_rollouts=1):
    policy = make_policy(envs.single_observation_space, lstm_size=lstm_size)
    rng, carry, rollouts = torch.Generator().manual_seed(0), begin(envs, policy, 0, CPU), []
    for _ in range(num_rollouts):
        rollouts.append(Rollout.allocate(policy, num_steps, envs.num_envs, CPU))
        carry, _ = collect(envs, policy, carry, rollouts[-1], rng, None, 0)
    return rollouts


@pytest.mark.parametrize("lstm_size", [None, 6])
@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_all_modes_give_the_same_transitions_with_feedback(scripted, mode, lstm_size):
    """As for plain observations; in particular the last observation of a truncated episode has its own."""
    (rollout,) = roll(told(scripted, mode), 40, lstm_size)
    policy = make_policy(SPACE, lstm_size=lstm_size)
    obs = rollout.obs["obs"]
    assert torch.equal(rollout.obs["feedback"], torch.cat((2 * obs, torch.ones(40, 3, 1)), dim=-1))
    bootstrapped = 0
    for slot in range(3):
        valid = rollout.valid[:, slot]
        state = policy.initial_state(1)
        for row in valid.nonzero().squeeze(1).tolist():
            seen = {name: part[row, slot][None] for name, part in rollout.obs.items()}
            start = rollout.episode_start[row, slot][None]
            _, value, state = policy(seen, state, start)
            assert rollout.value[row, slot].item() == pytest.approx(value.item(), abs=1e-4)
            if rollout.cut[row, slot] and not rollout.terminated[row, slot]:
                after = seen["obs"] + torch.tensor([0.0, 0.0, 1.0])
                last = {"obs": after, "feedback": torch.cat((2 * after, torch.ones(1, 1)), dim=1)}
                expected = policy(last, state, torch.tensor([False]))[1].item()
                assert rollout.next_value[row, slot].item() == pytest.approx(expected, abs=1e-4)
                bootstrapped += 1
    assert bootstrapped > 9


def test_all_modes_give_the_same_advantages_with_feedback(scripted):
    advantages = []
    for mode in AutoresetMode:
        (r,) = roll(told(scripted, mode), 40)
        advantage = gae(r.reward, r.value, r.next_value, r.terminated, r.cut, discount=0.9, gae_lambda=0.95)
        advantages.append(torch.stack([advantage[r.valid[:, slot], slot][:18] for slot in range(3)]))
    torch.testing.assert_close(advantages[0], advantages[1])
    torch.testing.assert_close(advantages[0], advantages[2])


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_two_rollouts_with_feedback_are_one_cut_in_two(scripted, mode):
    (whole,) = roll(told(scripted, mode), 8, 6)
    halves = roll(told(scripted, mode), 4, 6, num_rollouts=2)
    for part in ("obs", "feedback"):
        assert torch.equal(torch.cat([half.obs[part] for half in halves]), whole.obs[part])
    torch.testing.assert_close(torch.cat([half.value for half in halves]), whole.value)


def test_a_rollouts_size_counts_both_parts():
    rollouts = [Rollout.allocate(make_policy(space), 5, 3, CPU) for space in (SPACE, SHOWN)]
    assert rollouts[0].nbytes - rollouts[1].nbytes == 5 * 3 * 4 * 4


@pytest.mark.parametrize("chunk_size", [None, 5])
@pytest.mark.parametrize("recurrent", [False, True])
def test_minibatches_keep_feedback_beside_its_observation(recurrent, chunk_size):
    config = PPOConfig(num_steps=6, num_minibatches=2, recurrent=recurrent)
    rollout = Rollout.allocate(make_policy(SPACE, lstm_size=3 if recurrent else None), 6, 4, CPU)
    for name in ("action", "log_prob", "value", "reward", "next_value"):
        getattr(rollout, name).zero_()
    rollout.valid.fill_(True)
    names = torch.arange(24.0).reshape(6, 4, 1)
    rollout.obs["obs"].copy_(names.expand(6, 4, 3))
    rollout.obs["feedback"].copy_(-names.expand(6, 4, 4))
    epoch = minibatches(rollout, names.squeeze(-1), config, torch.Generator().manual_seed(0), chunk_size)
    batches = [batch for chunks in epoch for batch in chunks]
    assert all(torch.equal(b.obs["feedback"][..., :3], -b.obs["obs"]) for b in batches)
    seen = torch.cat([batch.obs["obs"][..., 0].flatten() for batch in batches])
    assert seen.sort().values.tolist() == list(range(24))


# ---- learning


@pytest.mark.parametrize("recurrent", [False, True])
def test_chunks_give_the_minibatchs_gradient(recall_trials, recurrent):
    weights = []
    for chunk_size in (None, 5):
        envs = recall_trials(num_envs=4, delay=2, trials=2)
        ppo = make(envs, recurrent=recurrent, num_minibatches=1, num_epochs=1)
        ppo._chunk_size = chunk_size
        ppo.iteration(envs)
        weights.append(ppo.weights())
    for name, tensor in weights[0].items():
        torch.testing.assert_close(tensor, weights[1][name], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("recurrent", [False, True])
def test_resume_equals_uninterrupted(recall_trials, recurrent, assert_same, filed):
    make_envs = partial(recall_trials, num_envs=4, delay=2, trials=3)
    envs = make_envs()
    ppo = make(envs, recurrent=recurrent)
    for _ in range(3):
        ppo.iteration(envs)
    saved = filed((ppo.state_dict(), envs.state_dict()))
    expected = [ppo.iteration(envs) for _ in range(3)]

    envs2 = make_envs()
    resumed = make(envs2, seed=99, recurrent=recurrent)
    resumed.load_state_dict(saved[0])
    envs2.load_state_dict(saved[1])
    assert_same(resumed.state_dict(), saved[0])
    assert [resumed.iteration(envs2) for _ in range(3)] == expected
    assert_same(resumed.state_dict(), ppo.state_dict())
    assert (saved[0]["carry"]["memory"] is not None) == recurrent


def test_a_carry_is_saved_with_both_parts_and_as_a_copy(recall_trials, assert_same):
    envs = recall_trials(num_envs=4, delay=2, trials=3)
    ppo = make(envs, recurrent=True)
    ppo.iteration(envs)
    state = ppo.state_dict()["carry"]
    kept = copy.deepcopy(state)
    assert {name: part.shape for name, part in state["obs"].items()} == {"obs": (4, 2), "feedback": (4, 4)}
    ppo.iteration(envs)
    assert_same(state, kept)
    restored = Carry.from_state_dict(state, CPU)
    assert_same(restored.state_dict(), kept)
    restored.memory.state.fill_(7)
    restored.obs["feedback"].fill_(7)
    assert_same(state, kept)


# ---- memory


def test_memory_is_what_a_slot_knew_when_it_last_began_another_trial(recall_trials):
    """Trials of 3 steps, 2 an episode, slots out of step: followed by hand, step by step."""
    envs = recall_trials(num_envs=4, delay=2, trials=2)
    ppo = make(envs, recurrent=True, num_steps=1, num_minibatches=1, learning_rate=1e-9)
    assert ppo.memory() is None
    state, feedback, begun = torch.zeros(4, 2, 8), torch.zeros(4, 4), 0
    for _ in range(13):
        ppo.iteration(envs)
        new_trial = envs.trial_end & ~envs.terminated
        begun += new_trial.sum()
        for slot in np.flatnonzero(new_trial):
            state[slot] = ppo._carry.state[slot]
            feedback[slot] = ppo._carry.obs["feedback"][slot]
        memory = ppo.memory()
        assert torch.equal(memory.state, state)
        assert torch.equal(memory.feedback, feedback)
    assert begun > 4
    assert (feedback[:, 3] == 1).all()
    ppo.restart()
    assert ppo.memory() is None


def test_an_episode_of_a_single_trial_leaves_no_memory(recall_trials):
    envs = recall_trials(num_envs=4, delay=2, trials=1)
    ppo = make(envs, recurrent=True)
    ppo.iteration(envs)
    assert not ppo.memory().state.any()
    assert not ppo.memory().feedback.any()


def test_without_recurrence_or_feedback_there_is_no_memory(recall, recall_trials):
    for envs, recurrent in (
        (recall_trials(num_envs=4, delay=2, trials=2), False),
        (recall(num_envs=4, delay=2), True),
    ):
        ppo = make(envs, recurrent=recurrent)
        ppo.iteration(envs)
        assert ppo.memory() is None


def test_what_overflows_a_float32_is_not_finite():
    check_finite(np.array([1e38, -1e38]))
    for obs in (np.array([1e39]), {"obs": np.array([-1e39]), "feedback": np.array([np.nan])}):
        with pytest.raises(ValueError, match="beyond what a float32 holds"):
            check_finite(obs)
