"""A policy of two weights whose retention is known in closed form, and adaptations that retain."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from fvm_learners.networks.heads import Categorical
from fvm_meta import MultiTask
from fvm_meta.retention import States
from torch import nn

TASKS, TASK = (0, 3, 6), 5


class TwoWeights(nn.Module):
    """Right with probability sigmoid(w o + b), of observations (o, 1)."""

    def __init__(self, theta):
        super().__init__()
        self.theta = nn.Parameter(torch.tensor(theta, dtype=torch.float64))

    def log_probs(self, obs):
        logit = obs @ self.theta
        return torch.stack((nn.functional.logsigmoid(logit), nn.functional.logsigmoid(-logit)), dim=-1)


class TwoWeightLearner:
    """What `HasDistribution` asks for, and nothing else: no learner of ours."""

    def __init__(self, theta):
        self.policy = TwoWeights(theta)

    def distribution(self, policy, states):
        return Categorical(policy.log_probs(states.obs)), None

    def distribution_from(self, params):
        return Categorical(params)


@pytest.fixture
def two_weights():
    return TwoWeightLearner


@pytest.fixture
def prepared():
    """A retention that was told of a teacher of two weights, on given states."""

    def prepare(config, theta, teacher, obs):
        learner = TwoWeightLearner(theta)
        hook = config.make()
        hook.start(torch.device("cpu"), 0)
        hook.before(learner)
        weights = {"theta": torch.tensor(teacher, dtype=torch.float64)}
        snapshot = SimpleNamespace(policy=SimpleNamespace(weights=weights))
        states = States(obs=torch.tensor(np.array(obs), dtype=torch.float64))
        hook.prepare(learner, snapshot, lambda num: states)
        return hook, learner

    return prepare


@pytest.fixture
def slope():
    """The gradient of a hook's term in the two weights."""

    def gradient(hook, learner, obs):
        batch = SimpleNamespace(obs=torch.tensor(np.array(obs), dtype=torch.float64), extra={})
        loss, _ = hook.term(learner.policy, batch)
        (slopes,) = torch.autograd.grad(loss.mean(), learner.policy.parameters())
        return slopes.numpy()

    return gradient


@pytest.fixture
def labs(lab, replay_lab):
    """By name: PPO, PPO with memory, Rainbow."""
    return {"ppo": lab, "memory": lab.with_config(recurrent=True, lstm_size=4), "rainbow": replay_lab}


@pytest.fixture
def retaining():
    """Returns a pretraining in a lab, and the stream of an adaptation from it that retains something."""

    def adapt(lab, budget, retain, pretrained, steps=160, resume=None, seed=1, **options):
        paradigm = MultiTask(lab.make_learner, lab.make_envs, retain=retain, retained_tasks=TASKS, **options)
        return paradigm.adapt(pretrained, TASK, budget(steps), np.random.default_rng(seed), resume=resume)

    return adapt


@pytest.fixture
def pretrained(budget):
    """Returns the end of a multi-task pretraining in a lab."""

    def pretrain(lab, steps=160):
        *_, last = lab.build(MultiTask).pretrain(TASKS, budget(steps), np.random.default_rng(0))
        return last

    return pretrain
