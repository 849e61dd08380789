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
    assert len(blocks) == 5
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
    assert (readme["lived"].env_step, readme["lived"].ledger.env_steps) == (100, 2)


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
