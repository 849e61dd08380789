"""The README's own text runs, and its new paradigm does what it is for."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from fvm_meta import MultiTask

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def readme():
    blocks = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 8
    names = {"__name__": "readme"}  # dataclasses look their module up
    exec("\n".join(blocks), names)
    return names


def adapt(readme, paradigm, seed):
    *_, last = paradigm.adapt(readme["pretrained"], 25.0, readme["few"], np.random.default_rng(seed))
    return last


@pytest.mark.parametrize("seed", range(3))
def test_the_new_paradigm_stays_nearer_to_the_pretrained_weights_the_stronger_it_pulls(readme, seed):
    make, distance = (readme["make_learner"], readme["make_envs"]), readme["distance"]
    plain = distance(adapt(readme, MultiTask(*make), seed))
    weak, strong = (
        distance(adapt(readme, readme["L2SP"](*make, readme["L2SPConfig"](beta=beta)), seed))
        for beta in (0.1, 1)
    )
    assert 0 < strong < weak < plain


def test_without_a_pull_it_is_plain_fine_tuning_bit_for_bit(readme):
    make = (readme["make_learner"], readme["make_envs"])
    weights = adapt(readme, readme["L2SP"](*make, readme["L2SPConfig"](beta=0.0)), 0).policy.weights
    plain = adapt(readme, MultiTask(*make), 0).policy.weights
    assert all(torch.equal(weights[name], plain[name]) for name in plain)


def test_what_it_cannot_do_it_says(readme):
    with pytest.raises(ValueError, match=r"beta=-1\.0: give 0"):
        readme["L2SPConfig"](beta=-1.0)
    stream = readme["L2SP"](None, None, readme["L2SPConfig"]()).adapt(None, 25.0, readme["few"], None)
    with pytest.raises(ValueError, match="use Scratch"):
        next(stream)


def test_the_new_paradigm_is_some_30_lines():
    (paradigm,) = re.findall(
        r"^```python\n(from dataclasses import dataclass.*?)^```$", README, re.MULTILINE | re.DOTALL
    )
    assert len([line for line in paradigm.splitlines() if line.strip()]) <= 30


def first_trial(readme, policy, room, trials):
    """Mean return of one trial of each of 32 slots, in a lifetime of so many or (None) where all is shown."""
    envs = readme["Rooms"]([room], 32, 0, False, trials)
    rngs = [np.random.default_rng(slot) for slot in range(32)]
    actions, _ = policy.act(envs.reset()[0], policy.initial_state(32), np.ones(32, bool), rngs)
    return (actions == room).mean()


def test_reptile_finds_the_cheese_that_it_sees(readme):
    assert min(first_trial(readme, readme["theta"].policy, room, None) for room in range(3)) > 0.9
    assert readme["theta"].metrics["distinct_tasks"] == 3


def test_rl2_finds_in_two_trials_where_the_cheese_is(readme):
    """Without memory each room is one in three, so one room at least is found at most that often."""
    agent = readme["agent"].policy
    assert min(first_trial(readme, agent, room, 3) for room in range(3)) < 0.4
    assert first_trial(readme, readme["lived"].policy, 1, 3) > 0.9
    assert (readme["lived"].env_step, readme["lived"].spent.env_steps) == (100, 2)


def test_pearl_finds_the_room_it_is_not_shown(readme):
    """Random choice finds it in a third of the episodes; what z says of the context decides."""
    envs = readme["make_dark_rooms"]([1], seed=0, on_episode_end="stay")
    rngs = [np.random.default_rng(slot) for slot in range(envs.num_envs)]

    def found(policy):
        obs, _ = envs.reset()
        start, state, rewards = np.ones(envs.num_envs, bool), policy.initial_state(envs.num_envs), []
        for _ in range(20):
            action, state = policy.act(obs, state, start, rngs)
            obs, reward, start, *_ = envs.step(action)
            rewards.append(reward)
        return np.mean(rewards)

    assert found(readme["inferred"].policy) > 0.9
    assert found(readme["inferred"].policy.with_latent(None)) < 0.7


def test_what_is_retained_is_logged_and_counted_apart(readme):
    kept = readme["kept"]
    assert kept.metrics["bc/kl"] > 0 < kept.metrics["drift/kl"]
    assert kept.spent.env_steps == 2048
    assert kept.spent.retention_env_steps == 512


def test_bc_takes_15_lines_more_in_somebody_else_s_loop():
    (lines,) = re.findall(r"^(class TheirPolicy:.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert len([line for line in lines.splitlines() if line.strip()]) <= 15


@pytest.mark.parametrize("seed", range(2))
def test_bc_keeps_what_somebody_else_s_ppo_forgets(readme, seed):
    """A loop in CleanRL's style learns new states; what it knew of old ones is not to be lost."""
    forgotten = {coef: cleanrl(readme, seed, coef) for coef in (0.0, 1.0)}
    assert forgotten[1.0] < 0.3 * forgotten[0.0]


def cleanrl(readme, seed, coef):
    """KL from the old to the new policy on the old observations, after PPO on rewards that contradict it.

    After CleanRL's ppo.py: rollout, GAE, minibatches, the clipped loss in one function, no classes of ours.
    """
    torch.manual_seed(seed)
    rng, num_envs, num_steps = np.random.default_rng(seed), 16, 16
    linear = torch.nn.Linear

    class Agent(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.actor = torch.nn.Sequential(linear(2, 16), torch.nn.Tanh(), linear(16, 2))
            self.critic = torch.nn.Sequential(linear(2, 16), torch.nn.Tanh(), linear(16, 1))

        def get_action_and_value(self, obs, action=None):
            probs = torch.distributions.Categorical(logits=self.actor(obs))
            action = probs.sample() if action is None else action
            return action, probs.log_prob(action), probs.entropy(), self.critic(obs).squeeze(-1)

    agent = Agent()
    old_obs = torch.from_numpy(rng.uniform(-1, 0, (256, 2)).astype(np.float32))  # known: both below 0
    clone = torch.optim.Adam(agent.parameters(), lr=1e-2)
    for _ in range(30):  # the pretrained agent: action 1 where the first coordinate is below -.5
        labels = (old_obs[:, 0] < -0.5).long()
        loss = torch.nn.functional.cross_entropy(agent.actor(old_obs), labels)
        clone.zero_grad()
        loss.backward()
        clone.step()
    before = agent.actor(old_obs).log_softmax(-1).detach()

    bc = readme["keep"](agent, old_obs, coef)
    optimizer = torch.optim.Adam(agent.parameters(), lr=1e-2, eps=1e-5)
    for _update in range(30):
        # Episodes of one step: in new states, both above 1, action 1 is right.
        obs = torch.from_numpy(rng.uniform(1, 2, (num_steps * num_envs, 2)).astype(np.float32))
        with torch.no_grad():
            action, logprob, _, value = agent.get_action_and_value(obs)
        advantage = (action == 1).float() - value
        returns = advantage + value
        for start in range(0, len(obs), 64):
            mb = slice(start, start + 64)
            _, newlogprob, entropy, newvalue = agent.get_action_and_value(obs[mb], action[mb])
            ratio = (newlogprob - logprob[mb]).exp()
            mb_adv = (advantage[mb] - advantage[mb].mean()) / (advantage[mb].std() + 1e-8)
            pg_loss = torch.max(-mb_adv * ratio, -mb_adv * ratio.clamp(0.8, 1.2)).mean()
            v_loss = 0.5 * ((newvalue - returns[mb]) ** 2).mean()
            loss = pg_loss - 0.01 * entropy.mean() + 0.5 * v_loss
            loss = loss + bc.term(agent, None)[0]
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(agent.parameters(), 0.5)
            optimizer.step()
            bc.after_step()
    new_states = torch.from_numpy(rng.uniform(1, 2, (256, 2)).astype(np.float32))
    assert (agent.actor(new_states).argmax(-1) == 1).float().mean() > 0.9  # it learned what is new
    after = agent.actor(old_obs).log_softmax(-1).detach()
    return float((before.exp() * (before - after)).sum(-1).mean())


def test_agents_go_home_and_adapt(readme):
    assert readme["tuned"].learner == "ppo"
    assert set(readme["action"].tolist()) <= {0, 1}
    assert readme["explored"].policy.memory.state.abs().sum() > 0
    assert readme["inferred"].policy.latent.mean.shape == (1, 2)
    told = {"obs": np.zeros((32, 3), np.float32), "feedback": np.zeros((32, 5), np.float32)}
    rooms = readme["explored"].predict(told)[0]
    assert (rooms == 1).mean() > 0.9  # the last trial: it knows where the cheese lies
