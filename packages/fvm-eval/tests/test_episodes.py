from types import SimpleNamespace

import numpy as np
import pytest
from fvm_eval import evaluate


class Walk:
    """The reward is the action plus noise of the slot's own seed; the task is the episode's length."""

    metadata = {"autoreset_mode": SimpleNamespace(name="SAME_STEP")}  # noqa: RUF012

    def __init__(self, num_envs, endless=False):
        self.num_envs = num_envs
        self.endless = endless
        self.tasks = [None] * num_envs
        self.rngs = [None] * num_envs
        self.t = np.zeros(num_envs, int)
        self.moves = []

    def reset(self, *, seed=None, options=None):
        for slot in np.flatnonzero(options["reset_mask"]):
            self.tasks[slot] = options["tasks"][slot]
            self.rngs[slot] = np.random.default_rng(seed[slot])
            self.t[slot] = 0
            self.moves.append((int(slot), self.tasks[slot]))
        return self.obs(), {}

    def obs(self):
        return np.stack([self.t, self.tasks], 1)

    def step(self, actions):
        reward = np.array([rng.integers(10) for rng in self.rngs]) + actions
        self.t += 1
        ended = (self.t >= np.array(self.tasks)) & (not self.endless)
        self.t[ended] = 0
        return self.obs(), reward, ended, np.zeros(self.num_envs, bool), {}


class Dice:
    """Adds 100 at an episode's start; counts its steps in a state that is reset with the episode."""

    def initial_state(self, num_envs):
        return np.zeros(num_envs)

    def act(self, obs, state, episode_start, rngs):
        state = np.where(episode_start, 0, state) + 1
        assert (state == obs[:, 0] + 1).all()
        return 100 * episode_start + np.array([rng.random() for rng in rngs]), state


TASKS = [3, 1, 7, 2]


def scores(num_envs, seed=0, **options):
    return evaluate(
        Dice(), Walk(num_envs), TASKS, **{"episodes_per_task": 5, "seed": seed, "max_steps": 50, **options}
    )


def test_all_episodes_come_in_order_with_their_lengths():
    result = scores(4)
    assert [(s.task_position, s.episode) for s in result] == [(t, e) for t in range(4) for e in range(5)]
    assert [s.length for s in result] == [TASKS[s.task_position] for s in result]
    assert all(100 <= s.score < 200 for s in result)
    assert not any(s.cut for s in result)


@pytest.mark.parametrize("num_envs", [1, 2, 3, 7, 20, 33])
def test_scores_do_not_depend_on_the_number_of_slots(num_envs):
    assert scores(num_envs) == scores(4)


def test_episodes_differ_and_seeds_differ():
    result = scores(4)
    assert len({s.score for s in result}) == len(result)
    assert not {s.score for s in result} & {s.score for s in scores(4, seed=1)}


def test_one_slot_plays_its_queue_in_order():
    envs = Walk(1)
    evaluate(Dice(), envs, TASKS, episodes_per_task=2, seed=0, max_steps=50)
    assert envs.moves == [(0, task) for task in TASKS for _ in range(2)]


def test_an_endless_episode_is_cut_scored_and_marked():
    class Ones(Dice):
        def act(self, obs, state, episode_start, rngs):
            return np.ones(len(rngs)), state

    class Quiet(Walk):
        def step(self, actions):
            obs, _, *rest = super().step(actions)
            return obs, actions, *rest

    result = evaluate(Ones(), Quiet(3, endless=True), TASKS, episodes_per_task=2, seed=0, max_steps=6)
    assert [(s.score, s.length, s.cut) for s in result] == [(6.0, 6, True)] * 8


def test_an_episode_that_ends_on_the_last_allowed_step_is_not_cut():
    assert [s.cut for s in scores(2, max_steps=7)] == [False] * 20
    assert [s.cut for s in scores(2, max_steps=6)] == [s.task_position == 2 for s in scores(2)]


class Lifetimes(Walk):
    """An episode has three trials as long as the task says; observations are a dict."""

    def __init__(self, num_envs, num_trials=3):
        super().__init__(num_envs, endless=True)
        self.num_trials = num_trials
        self.trial_return = np.zeros(num_envs)

    def reset(self, *, seed=None, options=None):
        self.trial_return[options["reset_mask"]] = 0
        return super().reset(seed=seed, options=options)

    def obs(self):
        return {"t": self.t.copy()}

    def step(self, actions):
        _, reward, _, truncated, _ = super().step(actions)
        self.trial_return += reward
        trial_end = self.t % np.array(self.tasks) == 0
        info = {"trial_end": trial_end, "trial_return": np.where(trial_end, self.trial_return, 0)}
        self.trial_return[trial_end] = 0
        ended = self.t == self.num_trials * np.array(self.tasks)
        self.t[ended] = 0
        return self.obs(), reward, ended, truncated, info


class Counter:
    """Acts 1000 times the steps since the last start."""

    def initial_state(self, num_envs):
        return np.zeros(num_envs)

    def act(self, obs, state, episode_start, rngs):
        state = np.where(episode_start, 0, state)
        assert (state == obs["t"]).all()
        return 1000 * state, state + 1


def lives(num_envs, max_steps=50, **options):
    envs = Lifetimes(num_envs, **options)
    return evaluate(Counter(), envs, TASKS, episodes_per_task=5, seed=0, max_steps=max_steps)


def test_the_trials_of_an_episode_add_up_to_it():
    assert all(s.trials == () for s in scores(4))
    for s in lives(4):
        task = TASKS[s.task_position]
        assert s.length == 3 * task
        assert sum(s.trials) == s.score
        expected = [sum(range(k * task, (k + 1) * task)) for k in range(3)]
        assert [trial // 1000 for trial in s.trials] == expected  # The rest is noise.


@pytest.mark.parametrize("num_envs", [1, 3, 20, 33])
def test_trials_do_not_depend_on_the_number_of_slots(num_envs):
    assert lives(num_envs) == lives(4)


def test_an_episode_that_is_cut_keeps_its_finished_trials():
    whole = lives(4, num_trials=100, max_steps=100)
    for s, longer in zip(lives(4, num_trials=100, max_steps=10), whole, strict=True):
        assert (s.cut, s.length) == (True, 10)
        assert len(s.trials) == 10 // TASKS[s.task_position]
        assert s.trials == longer.trials[: len(s.trials)]
        assert (sum(s.trials) == s.score) == (10 % TASKS[s.task_position] == 0)


def test_bad_arguments():
    assert evaluate(Dice(), Walk(2), [], episodes_per_task=1, seed=0, max_steps=1) == []
    with pytest.raises(ValueError, match="episodes_per_task=0"):
        scores(2, episodes_per_task=0)
    envs = Walk(2)
    envs.metadata = {"autoreset_mode": SimpleNamespace(name="NEXT_STEP")}
    with pytest.raises(ValueError, match="needs SAME_STEP"):
        evaluate(Dice(), envs, TASKS, episodes_per_task=1, seed=0, max_steps=1)


@pytest.mark.parametrize("came", [np.zeros(2), [np.zeros(2), None], (np.zeros(2),)])
def test_a_policy_that_does_not_return_its_state_is_told_so(came):
    player = Dice()
    player.act = lambda *given: came
    with pytest.raises(TypeError, match=r"Dice.act gave a (ndarray|list|tuple): let it return \(actions"):
        evaluate(player, Walk(2), TASKS, episodes_per_task=1, seed=0, max_steps=1)
