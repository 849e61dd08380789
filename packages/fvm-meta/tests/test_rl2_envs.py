"""RL2's envs: what it needs of them is asked for, and their lack is said."""

import gymnasium as gym
import numpy as np
import pytest
from fvm_meta import RL2, MultiTask, RL2Config
from fvm_meta.retention import BCConfig

TASKS, TASK = (0, 3, 6), 5
BC = BCConfig(coef=1.0, states=32, batch_size=32)


@pytest.fixture
def lab(lab):
    return lab.with_config(recurrent=True, lstm_size=4)


def pretrained(lab, budget, **config):
    *_, last = lab.build(RL2, RL2Config(**config)).pretrain(TASKS, budget(40), np.random.default_rng(0))
    return last


@pytest.mark.parametrize("trials", [1, 3])
def test_who_looks_back_at_lifetimes_sees_their_feedback_be_they_of_one_trial(lab, budget, trials):
    last = pretrained(lab, budget, trials=trials)
    config = RL2Config(trials=trials, adaptation="gradient")
    rl2 = RL2(lab.make_learner, lab.make_envs, config, retain=[BC], retained_tasks=TASKS)
    *_, adapted = rl2.adapt(last, TASK, budget(40), np.random.default_rng(0))
    assert lab.options[-1] == {"purpose": "retention", "trials": trials}
    assert adapted.metrics["bc/kl"] >= 0


@pytest.mark.parametrize("adaptation", [None, "context", "both"])
def test_envs_without_feedback_are_refused(lab, budget, adaptation):
    """An LSTM alone is no RL2: it was trained and said to be one."""

    def make_envs(tasks, *, seed, on_episode_end, **options):
        return lab.make_envs(tasks, seed=seed, on_episode_end=on_episode_end)

    rl2 = RL2(lab.make_learner, make_envs, RL2Config(adaptation=adaptation or "context"))
    if adaptation is None:
        stream = rl2.pretrain(TASKS, budget(40), np.random.default_rng(0))
    else:
        multi_task = MultiTask(lab.make_learner, make_envs)
        *_, last = multi_task.pretrain(TASKS, budget(40), np.random.default_rng(0))
        stream = rl2.adapt(last, TASK, budget(40), np.random.default_rng(0))
    with pytest.raises(
        ValueError, match=r"GoalLine shows Box.* let make_envs give Dict\(obs=\.\.\., feedback"
    ):
        next(stream)
    assert lab.envs[-1].closed


class Silent(gym.vector.VectorWrapper):
    """Lifetimes that do not say when a trial ends."""

    def step(self, actions):
        *outcome, info = super().step(actions)
        return *outcome, {"task_index": info["task_index"], "trial": info["trial"]}


def test_envs_that_do_not_say_when_a_trial_ends_are_refused(lab, budget):
    last = pretrained(lab, budget)
    rl2 = RL2(lab.make_learner, lambda *args, **options: Silent(lab.make_envs(*args, **options)))
    stream = rl2.adapt(last, TASK, budget(40), np.random.default_rng(0), at=())
    with pytest.raises(ValueError, match="Silent gives no info of trial_end, trial_return, by which RL2"):
        next(stream)
    assert lab.envs[-1].closed


class Unsaved(gym.vector.VectorEnv):
    """Lifetimes without a state."""

    def __init__(self, envs):
        self.envs, self.num_envs = envs, envs.num_envs
        self.single_observation_space = envs.single_observation_space
        self.single_action_space = envs.single_action_space

    def reset(self, **options):
        return self.envs.reset(**options)

    def step(self, actions):
        return self.envs.step(actions)


def test_a_life_in_envs_that_cannot_be_saved_says_so(lab, budget):
    last = pretrained(lab, budget)
    for make_envs, can in (
        (lab.make_envs, True),
        (lambda *args, **options: Unsaved(lab.make_envs(*args, **options)), False),
    ):
        stream = RL2(lab.make_learner, make_envs).adapt(last, TASK, budget(40), np.random.default_rng(0))
        assert next(stream).resumable is can
