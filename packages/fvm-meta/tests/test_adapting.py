"""One call from a pretrained agent to an adapted one: the same as the paradigm's own stream."""

from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
import torch
from fvm_learners import load_agent
from fvm_meta import RL2, MultiTask, Reptile, RL2Config, Scratch, adapt
from fvm_meta.paradigm import Transfer
from fvm_meta.pearl import PEARL, PEARLConfig
from fvm_meta.replay_reptile import ReplayReptile
from fvm_meta.retention import BCConfig, L2Config

GOALS = (0, 1, 3, 4)


def last_of(stream):
    *_, last = stream
    return last


def same_weights(one, other):
    return all(torch.equal(one.weights[name], other.weights[name]) for name in one.weights)


def own_stream(paradigm, snapshot, budget, steps):
    return last_of(paradigm.adapt(snapshot, 5, budget(steps), np.random.default_rng(3), at=(steps,)))


@pytest.fixture(params=["ppo", "rainbow"])
def any_lab(request, lab, replay_lab):
    return {"ppo": lab, "rainbow": replay_lab}[request.param]


@pytest.mark.parametrize("paradigm", [MultiTask, Reptile])
def test_fine_tuning_gives_what_the_stream_gives(paradigm, any_lab, budget, tmp_path):
    if hasattr(any_lab.config, "replay_capacity") and paradigm is Reptile:
        paradigm = ReplayReptile
    way = any_lab.build(paradigm)
    pretrained = last_of(way.pretrain(GOALS, budget(160), np.random.default_rng(0)))
    expected = own_stream(way, pretrained, budget, 120)
    way.agent(pretrained).save(tmp_path)
    seen = []
    adapted = adapt(
        load_agent(tmp_path),
        any_lab.make_envs,
        5,
        120,
        paradigm=paradigm,
        seed=3,
        at=(7, 60),
        on_snapshot=seen.append,
    )
    assert same_weights(adapted.policy, expected.policy)
    assert not same_weights(adapted.policy, pretrained.policy)
    assert {0, 7, 60, 120} - {0} <= {snapshot.env_step for snapshot in seen}
    assert seen[-1].spent == expected.spent
    assert any_lab.envs[-1].closed


def test_what_is_retained_and_transferred_is_as_in_the_stream(lab, budget):
    way = MultiTask(
        lab.make_learner,
        lambda tasks, *, purpose="", **options: lab.make_envs(tasks, **options),
        None,
        Transfer(parts="encoder"),
        (BCConfig(coef=1.0, states=16), L2Config(coef=0.1)),
        GOALS,
    )
    pretrained = last_of(way.pretrain(GOALS, budget(160), np.random.default_rng(0)))
    expected = own_stream(way, pretrained, budget, 80)
    given = {"transfer": way.transfer, "retain": way.retain, "retained_tasks": GOALS}
    adapted = adapt(way.agent(pretrained), way.make_envs, 5, 80, seed=3, **given)
    assert same_weights(adapted.policy, expected.policy)
    plain = adapt(way.agent(pretrained), way.make_envs, 5, 80, seed=3)
    assert not same_weights(plain.policy, expected.policy)


def test_an_rl2_agent_takes_its_memory_home(lab, budget, tmp_path):
    lab = lab.with_config(recurrent=True, lstm_size=8)
    rl2 = lab.build(RL2, RL2Config(trials=3))
    pretrained = last_of(rl2.pretrain(GOALS, budget(160), np.random.default_rng(0)))
    expected = own_stream(rl2, pretrained, budget, 6).policy.memory
    adapted = adapt(
        rl2.agent(pretrained), lab.make_envs, 5, 6, paradigm=RL2, config=RL2Config(trials=3), seed=3
    )
    adapted.save(tmp_path)
    loaded = load_agent(tmp_path)
    assert torch.equal(loaded.policy.memory.state, expected.state)
    assert torch.equal(loaded.policy.memory.feedback, expected.feedback)
    assert expected.state.abs().sum() > 0
    assert same_weights(loaded.policy, pretrained.policy)
    obs = {"obs": np.ones((4, 2), np.float32), "feedback": np.zeros((4, 4), np.float32)}
    assert torch.equal(loaded.predict(obs)[1].policy, adapted.predict(obs)[1].policy)
    assert not torch.equal(loaded.predict(obs)[1].policy, rl2.agent(pretrained).predict(obs)[1].policy)


def test_a_pearl_agent_takes_its_latent_home(replay_lab, budget, tmp_path):
    lab = replay_lab.with_config(latent_size=2)
    pearl = lab.build(PEARL, PEARLConfig(context_size=5))
    pretrained = last_of(pearl.pretrain(GOALS, budget(120), np.random.default_rng(0)))
    expected = own_stream(pearl, pretrained, budget, 40).policy.latent
    agent = pearl.agent(pretrained)
    adapted = adapt(agent, lab.make_envs, 5, 40, paradigm=PEARL, config=pearl.config, seed=3)
    adapted.save(tmp_path)
    loaded = load_agent(tmp_path)
    assert torch.equal(loaded.policy.latent.mean, expected.mean)
    assert torch.equal(loaded.policy.latent.std, expected.std)
    assert same_weights(loaded.policy, pretrained.policy)
    assert agent.policy.latent is None


def test_a_ready_vector_env_is_played_on_and_closed(lab, budget):
    way = lab.build(MultiTask)
    pretrained = last_of(way.pretrain(GOALS, budget(160), np.random.default_rng(0)))
    envs = lab.make_envs([5], seed=11, on_episode_end="stay")
    adapted = adapt(way.agent(pretrained), envs, None, 80)
    assert envs.steps_taken == 80
    assert envs.closed
    assert not same_weights(adapted.policy, pretrained.policy)
    envs = lab.make_envs([5], seed=11, on_episode_end="stay")
    with pytest.raises(ValueError, match=r"needs envs of its own: give a function make_envs"):
        adapt(way.agent(pretrained), envs, None, 80, retain=[BCConfig(states=8)], retained_tasks=GOALS)


def test_the_learner_may_have_other_settings_while_it_adapts(lab, budget):
    way = lab.build(MultiTask)
    pretrained = last_of(way.pretrain(GOALS, budget(160), np.random.default_rng(0)))
    slower = replace(lab.config, learning_rate=1e-12)
    adapted = adapt(way.agent(pretrained), lab.make_envs, 5, 80, learner_config=slower)
    assert adapted.config == slower
    before = pretrained.policy.weights
    assert all((new - before[name]).abs().max() < 1e-9 for name, new in adapted.policy.weights.items())


def test_what_cannot_be_adapted_so_is_said(lab, replay_lab, budget):
    way = lab.build(MultiTask)
    with pytest.raises(ValueError, match=r"no learner was made yet: ask for an agent after the stream"):
        way.agent(None)
    agent = way.agent(last_of(way.pretrain(GOALS, budget(160), np.random.default_rng(0))))
    for paradigm, message in (
        (RL2, r"this policy has none; use PPOConfig\(recurrent=True\)"),
        (PEARL, r"PEARL asks its learner for `LatentLearner`, and PPO has no"),
        (Scratch, "Scratch starts from random weights"),
    ):
        with pytest.raises(ValueError, match=message):
            adapt(agent, lab.make_envs, 5, 80, paradigm=paradigm)
    latent = replay_lab.with_config(latent_size=2)
    pearl = latent.build(PEARL)
    told = pearl.agent(last_of(pearl.pretrain(GOALS, budget(120), np.random.default_rng(0))))
    with pytest.raises(ValueError, match="this policy has none"):  # a latent is no memory
        adapt(told, latent.make_envs, 5, 80, paradigm=RL2)
    with pytest.raises(ValueError, match="budget of 81 env steps is not a whole number"):
        adapt(agent, lab.make_envs, 5, 81)


def test_a_learner_that_does_not_describe_itself_makes_no_agent(lab, budget):
    class Nameless:
        def __init__(self, learner):
            self.learner = learner

        def __getattr__(self, what):
            if what in ("name", "config"):
                raise AttributeError(what)
            return getattr(self.learner, what)

    way = MultiTask(lambda *spaces, **options: Nameless(lab.make_learner(*spaces, **options)), lab.make_envs)
    pretrained = last_of(way.pretrain(GOALS, budget(40), np.random.default_rng(0)))
    with pytest.raises(ValueError, match=r"the learner has no config, name, which an agent needs"):
        way.agent(pretrained)
    assert isinstance(lab.learners[-1].action_space, gym.spaces.Discrete)
