"""Reptile and RL2 learn on Catch with actions that differ from task to task, where what is possible is known.

Thresholds were set after pilots on seeds 1 to 3 (Reptile) and 1 and 2 (RL2); other seeds judge.
"""

import math
from functools import cache

import numpy as np
import pytest
import torch
from fvm_envs import make_vec
from fvm_eval import Budget, evaluate
from fvm_learners import PPO, PPOConfig
from fvm_meta import RL2, Reptile, RL2Config, Scratch

torch.set_num_threads(1)
pytestmark = pytest.mark.learning

# As in the study's toy preset.
FEED_FORWARD = PPOConfig(
    network="minatar", num_steps=12, num_epochs=3, num_minibatches=4, learning_rate=1e-3, discount=0.99
)
RECURRENT = PPOConfig(
    network="minatar",
    num_steps=24,
    num_epochs=3,
    num_minibatches=4,
    learning_rate=2.5e-3,
    discount=0.99,
    gae_lambda=0.8,
    entropy_coef=0.02,
    recurrent=True,
    lstm_size=64,
)


def build(paradigm, config, own=None):
    def make_learner(observation_space, action_space, *, seed, loss_term=None):
        return PPO(observation_space, action_space, config, seed=seed, loss_term=loss_term)

    def make_envs(tasks, *, seed, on_episode_end, split=1, trials=None, replicates=False):
        return make(tasks, 32 // split, seed, on_episode_end, trials)

    return paradigm(make_learner, make_envs, own)


def make(tasks, num_envs, seed, on_episode_end="stay", trials=None):
    options = {} if trials is None else {"trials": trials, "reward_scale": 1.0}
    return make_vec(tasks, num_envs, seed, on_episode_end=on_episode_end, cell_pixels=1, **options)


def play(policy, tasks, episodes, trials=None):
    return evaluate(
        policy,
        make(tasks, 40, 0, trials=trials),
        tasks,
        episodes_per_task=episodes,
        seed=7,
        max_steps=100,
    )


def mean_return(policy, tasks):
    return float(np.mean([episode.score for episode in play(policy, tasks, 320 // len(tasks))]))


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_reptile_learns_to_read_the_legend_and_adapts_where_scratch_does_not(seed):
    """On each side of the four tasks each action is right once: who is blind to the legend has .25 at best.

    In the pilots theta had .46 to .51 on its training tasks, .50 to .58 after three more updates on one of
    them, and scratch .04 to .08. The means of 320 episodes err by at most .028.
    """
    tasks = [f"toy/visible-catch/{level}" for level in (0, 9, 16, 18)]
    *_, theta = build(Reptile, FEED_FORWARD).pretrain(
        tasks, Budget(env_steps=59_904), np.random.default_rng([seed, 0])
    )
    adapted = {Reptile: [], Scratch: []}
    for position, task in enumerate(tasks):
        for paradigm, start in ((Reptile, theta), (Scratch, None)):
            *_, end = build(paradigm, FEED_FORWARD).adapt(
                start, task, Budget(env_steps=3 * 12 * 32), np.random.default_rng([seed, 1, position])
            )
            adapted[paradigm].append(mean_return(end.policy, [task]))
    zero_shot, tuned, scratch = mean_return(theta.policy, tasks), *map(np.mean, adapted.values())
    print(f"theta {zero_shot:.2f}, fine-tuned {tuned:.2f}, both above .35; scratch {scratch:.2f}, below .2")
    assert zero_shot > 0.35
    assert tuned > 0.35
    assert scratch < 0.2


SEEDS = (11, 12, 13, 14)
LIFETIMES = 40  # on each new task


@cache
def two_trials(trials, seed):
    """Returns [lifetime, trial] on new tasks of an agent pretrained on lifetimes of so many trials."""
    tasks = [f"toy/hidden-catch/{level}" for level in range(24)]
    *_, agent = build(RL2, RECURRENT, RL2Config(trials=trials)).pretrain(
        tasks[:16], Budget(env_steps=61_440), np.random.default_rng([seed, 0])
    )
    if trials == 1:  # its memory is reset at each trial
        single = play(agent.policy, tasks[16:], 2 * LIFETIMES, trials=1)
        return np.array([episode.score for episode in single]).reshape(-1, 2)
    return np.array([lived.trials for lived in play(agent.policy, tasks[16:], LIFETIMES, trials=2)])


def gain(returns):
    """Second trial - first, and its standard error over lifetimes."""
    differences = returns[:, 1] - returns[:, 0]
    return differences.mean(), differences.std(ddof=1) / math.sqrt(len(differences))


@pytest.mark.parametrize("seed", SEEDS)
def test_rl2_catches_more_in_a_lifetimes_second_trial(seed):
    """In the pilots .14 to .17 more, of .00 to .20 in the first trial; the interval is over 320 lifetimes."""
    mean, error = gain(two_trials(2, seed))
    print(f"second trial - first: {mean:.3f} +- {1.96 * error:.3f}, the lower end above 0 wanted")
    assert mean - 1.96 * error > 0


@pytest.mark.parametrize("seed", SEEDS)
def test_with_its_memory_reset_at_each_trial_it_does_not(seed):
    """In the pilot .003 +- .028; it catches less than RL2 does in its second trial."""
    control, rl2 = two_trials(1, seed), two_trials(2, seed)
    mean, error = gain(control)
    behind = rl2[:, 1].mean() - control[:, 1].mean()
    spread = math.hypot(*(returns[:, 1].std(ddof=1) / math.sqrt(len(returns)) for returns in (rl2, control)))
    print(f"second trial - first: {mean:.3f}, within four of its standard errors of {error:.3f} wanted")
    print(f"RL2's second trial - the control's: {behind:.3f} +- {1.96 * spread:.3f}, above 0 wanted")
    assert abs(mean) <= max(4 * error, 0.02)
    assert behind - 1.96 * spread > 0


def test_the_gain_holds_over_checkpoints():
    """Student's t over four pretrainings, which differ by more than their lifetimes do."""
    gains = np.array([gain(two_trials(2, seed))[0] for seed in SEEDS])
    half = 3.182 * gains.std(ddof=1) / 2  # 97.5 % of t with 3 degrees of freedom
    print(f"{gains.mean():.3f} +- {half:.3f}, the lower end above 0 wanted")
    assert gains.mean() - half > 0
