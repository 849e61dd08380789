"""REINFORCE with a logistic policy: its step by hand, the same by steps as by walks, resumed bit for bit."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from fvm_learners import Hook
from fvm_learners.hooks import Term
from fvm_meta.retention import EWCConfig, States
from fvm_meta.worlds.reinforce import Reinforce, ReinforceConfig
from gymnasium import spaces
from gymnasium.vector import VectorEnv
from gymnasium.vector.utils import batch_space

STEPS = 4


class Line(VectorEnv):
    """Every step to the right is worth 1; what is seen is 1 and how far one is."""

    def __init__(self, num_envs):
        self.num_envs = num_envs
        self.single_observation_space = spaces.Box(-9, 9, (2,), np.float32)
        self.single_action_space = spaces.Discrete(2)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.place, self.time = np.zeros(num_envs), 0

    def observe(self):
        return np.stack((np.ones(self.num_envs), self.place), axis=1).astype(np.float32)

    def reset(self, *, seed=None, options=None):
        if options is None:
            self.place[:], self.time = 0, 0
        return self.observe(), {"task_index": np.zeros(self.num_envs, np.int64)}

    def step(self, actions):
        self.place, self.time = self.place + actions, self.time + 1
        over = np.full(self.num_envs, self.time == STEPS)
        if over[0]:
            self.place, self.time = np.zeros(self.num_envs), 0
        return self.observe(), actions.astype(float), np.zeros_like(over), over, {}


class Walking(Line):
    """The same where what is seen is one of two kinds, and a whole episode is played at once."""

    kinds = np.array([[1.0, 0.0], [1.0, 1.0]])

    def observe(self):
        return self.kinds[np.minimum(self.place, 1).astype(int)].astype(np.float32)

    def walk(self, right, uniform):
        self.reset()
        kind, action, reward = (np.zeros((STEPS, self.num_envs), t) for t in (int, int, float))
        each = np.broadcast_to(right if right.ndim == 2 else right[:, None], (2, self.num_envs))
        for t in range(STEPS):
            kind[t] = np.minimum(self.place, 1)
            action[t] = uniform[t] < each[kind[t], np.arange(self.num_envs)]
            reward[t] = self.step(action[t])[1]
        return SimpleNamespace(
            kind=kind, action=action, reward=reward, task_index=np.zeros(self.num_envs, np.int64)
        )


class Stepping(Walking):
    """The same without it."""

    walk = property()  # hasattr is False


def make(envs, hooks=(), seed=0, **config):
    spaces_of = envs.single_observation_space, envs.single_action_space
    config = ReinforceConfig(**{"num_steps": STEPS, **config})
    return Reinforce(*spaces_of, config, seed=seed, hooks=hooks)


def test_a_step_by_hand():
    """d/dtheta of sum_t G_t log pi: at theta = 0, (action - 1/2) o each, as G_t the rewards to go."""
    envs = Line(1)
    learner = make(envs, learning_rate=0.1)
    told = learner.iteration(envs)
    uniform = _draws(1)
    action = (uniform < 0.5).astype(float)
    place = np.concatenate(([0.0], action.cumsum()[:-1]))
    to_go = action[::-1].cumsum()[::-1]
    slope = (to_go * (action - 0.5)) @ np.stack((np.ones(STEPS), place), axis=1)
    assert learner.policy.theta.detach().numpy() == pytest.approx(0.1 * slope)
    assert told.env_steps == STEPS
    assert [(e.return_, e.length, e.env_step) for e in told.episodes] == [(to_go[0], STEPS, STEPS)]


def _draws(num_envs, seed=0):
    rng = np.random.default_rng(seed)
    rng.integers(2**31)  # of the envs' first reset
    return rng.random((STEPS, num_envs))[:, 0]


def test_walks_and_steps_are_the_same_bit_for_bit():
    learned = []
    for envs in (Walking(3), Stepping(3)):
        learner = make(envs, learning_rate=0.05)
        for _ in range(20):
            learner.iteration(envs)
        learned.append(learner.policy.theta.detach().clone())
    assert torch.equal(*learned)
    assert learned[0].abs().max() > 0.1


def test_an_iteration_of_several_episodes_is_as_many_iterations_of_one():
    one, three = Line(2), Line(2)
    alone, together = make(one), make(three, num_steps=3 * STEPS, episode_steps=STEPS)
    told = [alone.iteration(one) for _ in range(4)]
    first, last = together.iteration(three), together.iteration(three, 2 * STEPS)
    assert (first.env_steps, first.updates, last.env_steps, last.updates) == (24, 3, 8, 1)
    assert first.episodes + last.episodes == sum((each.episodes for each in told), ())
    assert torch.equal(alone.policy.theta, together.policy.theta)
    with pytest.raises(ValueError, match="max_env_steps=7 is less than an episode of 2 envs"):
        together.iteration(three, 7)
    with pytest.raises(ValueError, match="num_steps=10 are no whole episodes of episode_steps=4"):
        ReinforceConfig(num_steps=10, episode_steps=4)


class Column:
    """Draws what one slot of several would."""

    def __init__(self, seed, num_envs, slot):
        self._rng, self._num_envs, self._slot = np.random.default_rng(seed), num_envs, slot

    def integers(self, high):
        return self._rng.integers(high)

    def random(self, shape):
        return self._rng.random((shape[0], self._num_envs))[:, [self._slot]]


def undecided(policy, batch):
    """Returns the mean probability of the second action, one a sample."""
    return policy(batch.obs)[..., 1].exp()


@pytest.mark.parametrize("world", [Walking, Stepping])
def test_agents_side_by_side_learn_as_each_would_alone(world):
    hooks = [[Term("undecided", undecided)] for _ in range(4)]
    envs = world(3)
    together = make(envs, hooks[3], seed=7, agents=3, learning_rate=0.05)
    for _ in range(20):
        told = together.iteration(envs)
    assert (told.env_steps, len(told.episodes)) == (3 * STEPS, 3)
    for slot in range(3):
        own = world(1)
        alone = make(own, hooks[slot], learning_rate=0.05)
        alone._rng = Column(7, 3, slot)
        for _ in range(20):
            alone.iteration(own)
        torch.testing.assert_close(together.policy.theta[slot], alone.policy.theta)
    assert len({tuple(theta.tolist()) for theta in together.policy.theta}) == 3


def test_a_frozen_policy_of_agents_gives_each_slot_its_own():
    envs = Line(2)
    learner = make(envs, agents=2)
    learner.load_weights({"theta": torch.tensor([[50.0, 0.0], [-50.0, 0.0]])})
    frozen = learner.frozen_policy()
    rngs = [np.random.default_rng(slot) for slot in range(5)]
    action, _ = frozen.act(np.ones((5, 2)), None, np.ones(5, np.bool_), rngs)
    assert action.tolist() == [1, 0, 1, 0, 1]
    dist, _ = learner.distribution(learner.policy, SimpleNamespace(obs=torch.ones(3, 2, dtype=torch.float64)))
    assert dist.params.shape == (3, 2, 2)  # all agents at the same three states
    assert dist.params.exp()[..., 1].tolist() == [[1.0, pytest.approx(0.0)]] * 3


def test_agents_need_a_slot_each():
    envs = Line(2)
    with pytest.raises(ValueError, match="agents=3 learn on 2 envs"):
        make(envs, agents=3).iteration(envs)
    with pytest.raises(ValueError, match="agents"):
        ReinforceConfig(agents=0)


@pytest.mark.parametrize("agents", [1, 2])
def test_a_fisher_as_published_is_of_one_agent(agents):
    """The mean over agents, squared, would make each one's Fisher too small by the square of their number."""
    learner, hook = make(Line(2), agents=agents), EWCConfig(mode="paper").make()
    hook.start(torch.device("cpu"), 0)
    states = States(obs=torch.tensor([[1.0, 0.0], [1.0, 2.0]], dtype=torch.float64))
    if agents > 1:
        with pytest.raises(ValueError, match="over 2 agents side by side"):
            hook.prepare(learner, None, lambda num: states)
        return
    hook.prepare(learner, None, lambda num: states)  # at theta = 0 the mode is 0: -(0 - 1/2) o in the mean
    assert hook.fisher.tolist() == [0.25, 0.25]


class Pull(Hook):
    """A pull to 0 that knows how often it has pulled."""

    name = "pull"

    def term(self, policy, batch):
        return 3.0 * (policy.theta**2).sum(), {}


class Nothing(Pull):
    """Adds 0 by the tape, as a step without hooks does without one."""

    def term(self, policy, batch):
        return 0.0 * policy.theta.sum(), {}


def test_a_step_without_a_tape_is_the_same_bit_for_bit():
    learned = []
    for hooks in ((), (Nothing(),)):
        envs = Line(2)
        learner = make(envs, hooks)
        for _ in range(20):
            learner.iteration(envs)
        learned.append(learner.policy.theta.detach().clone())
    assert torch.equal(*learned)


def test_a_hook_s_term_is_added_and_a_resumed_run_is_the_same(filed):
    envs = Line(2)
    learner = make(envs, (Pull(),))
    plain = make(envs)
    for one in (learner, plain):
        for _ in range(5):
            one.iteration(envs)
    assert not torch.equal(learner.policy.theta, plain.policy.theta)
    other = make(envs, (Pull(),), seed=9)
    other.load_state_dict(filed(learner.state_dict()))
    for _ in range(5):
        assert learner.iteration(envs).metrics == other.iteration(envs).metrics
    assert torch.equal(learner.policy.theta, other.policy.theta)


def test_what_it_cannot_learn_on_is_refused():
    envs = Line(2)
    with pytest.raises(ValueError, match="in multiples of 8"):
        make(envs).iteration(envs, 4)
    longer = Reinforce(
        envs.single_observation_space, envs.single_action_space, ReinforceConfig(num_steps=5), seed=0
    )
    with pytest.raises(ValueError, match="ended after 4 steps"):
        longer.iteration(envs)
    with pytest.raises(ValueError, match="two actions"):
        Reinforce(envs.single_observation_space, spaces.Discrete(3), ReinforceConfig(), seed=0)
    with pytest.raises(ValueError, match="learning_rate=nan"):
        ReinforceConfig(learning_rate=float("nan"))


class Reusing(Line):
    """The same where every step fills the arrays that it gave before."""

    def __init__(self, num_envs):
        super().__init__(num_envs)
        self.seen, self.paid = np.zeros((num_envs, 2)), np.zeros(num_envs)

    def observe(self):
        self.seen[:] = super().observe()
        return self.seen

    def step(self, actions):
        obs, reward, *rest = super().step(actions)
        self.paid[:] = reward
        return (obs, self.paid, *rest)


def test_envs_may_reuse_their_arrays():
    learned = []
    for envs in (Line(3), Reusing(3)):
        learner = make(envs, learning_rate=0.05)
        told = [learner.iteration(envs) for _ in range(5)]
        learned.append((learner.policy.theta.detach().tolist(), [each.episodes for each in told]))
    assert learned[0] == learned[1]


@pytest.mark.parametrize("rate", [0, float("nan"), float("inf"), True, "1e-3"])
def test_a_rate_is_a_finite_number(rate):
    with pytest.raises(ValueError, match=f"learning_rate={rate!r}: give a finite number above 0"):
        ReinforceConfig(learning_rate=rate)
