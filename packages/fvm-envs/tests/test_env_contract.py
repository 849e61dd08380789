"""Environments that break Gymnasium's contract: one sentence each, of what came and what to return."""

import gymnasium as gym
import numpy as np
import pytest
from fvm_envs import from_gymnasium
from gymnasium.wrappers import TimeLimit

OBS = np.zeros(2, dtype=np.float32)
SPACES = {
    "observation_space": gym.spaces.Box(-1, 1, (2,), np.float32),
    "action_space": gym.spaces.Discrete(2),
}


def env(reset=lambda: (OBS, {}), step=lambda: (OBS, 1.0, False, False, {}), **members):
    members = {
        **SPACES,
        "reset": lambda self, *, seed=None, options=None: reset(),
        "step": lambda self, action: step(),
        **members,
    }
    return type("Mine", (gym.Env,), members)()


WRONG = [
    (lambda: None, r"for a/b `make` gave None: let it return a gymnasium\.Env"),
    (lambda: type(env()), r"for a/b `make` gave the class Mine: let it"),
    (lambda: gym.vector.SyncVectorEnv([env, env]), r"for a/b `make` gave a SyncVectorEnv: let it"),
    (lambda: env(observation_space=None), r"Mine\.observation_space is None: set it to a gymnasium\.Space"),
    (lambda: env(action_space=4), r"Mine\.action_space is 4: set it"),
    (
        lambda: env(reset=lambda: OBS),
        r"Mine\.reset gave an array of float32 of shape \(2,\): let it",
    ),
    (lambda: env(step=lambda: (OBS, 1.0, False, {})), r"Mine\.step gave a tuple of 4: let it return \(obs"),
    (
        lambda: env(step=lambda: (OBS, None, False, False, {})),
        r"Mine\.step gave the reward None: let",
    ),
    (
        lambda: env(step=lambda: (OBS, np.ones(1), False, False, {})),
        r"gave the reward array\(\[1\.\]\): let",
    ),
    (lambda: env(step=lambda: (OBS, "1", False, False, {})), r"Mine\.step gave the reward '1': let"),
    (lambda: env(step=lambda: (OBS, 1.0, None, False, {})), r"gave terminated None: let it be True or False"),
    (lambda: env(step=lambda: (OBS, 1.0, False, "no", {})), r"gave truncated 'no': let it be True or False"),
    (
        lambda: env(step=lambda: (OBS, 1.0, False, False, None)),
        r"Mine\.step gave the info None: let it",
    ),
]


@pytest.mark.parametrize("saves", [None, "replay"])
@pytest.mark.parametrize(("make", "words"), WRONG, ids=range(len(WRONG)))
def test_what_breaks_the_contract_is_said_with_what_to_do(make, words, saves):
    def play():
        envs = from_gymnasium(lambda task: make(), "a/b", 2, 0, saves=saves)
        envs.reset()
        envs.step(np.zeros(2, dtype=int))

    with pytest.raises(TypeError, match=words):
        play()


def test_a_reset_without_a_seed_is_said_with_its_signature():
    mine = env()
    type(mine).reset = lambda self: (OBS, {})
    with pytest.raises(TypeError, match=r"Mine\.reset takes no seed: define reset\(self, \*, seed=None, opt"):
        from_gymnasium(lambda task: mine, "a/b", 1, 0)


@pytest.mark.parametrize(
    ("obs", "words"),
    [
        (
            np.zeros(3, dtype=np.float32),
            r"an array of float32 of shape \(3,\), and its observation",
        ),
        ({"x": 1}, r"a dict of 'x', and its"),
        (None, r"an array of object of shape \(\), and its"),
    ],
)
def test_an_observation_of_another_shape_is_said_beside_the_space(obs, words):
    envs = from_gymnasium(lambda task: env(reset=lambda: (obs, {})), "a/b", 2, 0, saves="none")
    with pytest.raises(TypeError, match=f"Mine gave an observation that is {words}"):
        envs.reset()


def test_numbers_and_flags_of_other_types_are_taken():
    one = np.float64(0.5), np.bool_(False), 1, {}
    envs = from_gymnasium(lambda task: env(step=lambda: ([0.25, 0.5], *one)), "a/b", 2, 0, saves="none")
    envs.reset()
    _, reward, terminated, truncated, info = envs.step(np.zeros(2, dtype=int))
    assert (reward.tolist(), terminated.tolist(), truncated.tolist()) == ([0.5, 0.5], [False] * 2, [True] * 2)
    assert info["final_obs"][1].tolist() == [0.25, 0.5]


@pytest.mark.parametrize("saves", [None, "replay"])
@pytest.mark.parametrize("around", [lambda env: env, lambda env: TimeLimit(env, 5)])
def test_an_environment_that_two_slots_would_share_is_refused(around, saves):
    one = env()

    def play():
        from_gymnasium(lambda task: around(one), "a/b", 2, 0, saves=saves).reset()

    with pytest.raises(ValueError, match=r"for a/b `make` gave an environment that it has given before"):
        play()


def test_an_environment_may_be_made_anew_where_one_was_forgotten():
    """Made at the place in memory of one that is gone, it is none that was given before."""
    envs = from_gymnasium(lambda task: env(), "a/b/0:9", 1, 0, keep=1, saves="none")
    for task in [*envs.tasks, *envs.tasks]:
        envs.reset(options={"tasks": [task]})
    envs.close()


class Taking(gym.Wrapper):
    """Notes each action that reaches the environment."""

    def __init__(self, space, taken):
        super().__init__(env(action_space=space))
        self.taken = taken

    def step(self, action):
        self.taken.append(action)
        return self.env.step(action)


@pytest.mark.parametrize(
    ("dtype", "wrong"),
    [(np.uint8, [256, 0]), (np.uint8, [-1, 0]), (np.int64, [0.5, 1.0]), (np.bool_, [2, 0])],
)
def test_actions_that_a_box_of_whole_numbers_would_change_are_refused(dtype, wrong):
    taken, space = [], gym.spaces.Box(0, 1, (1,), dtype)
    envs = from_gymnasium(lambda task: Taking(space, taken), "a/b", 2, 0, saves="replay")
    envs.reset()
    with pytest.raises(ValueError, match=rf"actions .* cannot be taken as {np.dtype(dtype)}"):
        envs.step(np.array(wrong)[:, None])
    assert taken == []
    for actions in (np.array([[0.0], [1.0]]), np.array([[0], [1]]), np.array([[False], [True]])):
        envs.step(actions)
        assert [action.tolist() for action in taken[-2:]] == [[0], [1]]
        assert {action.dtype for action in taken} == {np.dtype(dtype)}


def test_discrete_actions_reach_the_environment_in_the_type_of_its_space():
    space, taken = gym.spaces.Discrete(2), []
    space.dtype = np.dtype(np.int32)  # as Gymnasium's `Discrete(2, dtype=np.int32)`
    envs = from_gymnasium(lambda task: Taking(space, taken), "a/b", 2, 0, saves="replay")
    envs.reset()
    envs.step(np.array([0, 1]))
    assert taken == [0, 1]
    assert all(space.contains(action) for action in taken)
