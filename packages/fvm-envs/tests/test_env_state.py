"""How a single Gymnasium environment can go on where it was, and observations of any shape on the way."""

import gymnasium as gym
import numpy as np
import pytest
from fvm_envs.env_state import (
    copied,
    digest_of,
    leaves,
    load_own_state,
    own_state,
    owner_of_state,
    packed,
    unpacked,
    way_of,
)
from gymnasium import spaces
from gymnasium.wrappers import OrderEnforcing, TimeLimit


class Walk(gym.Env):
    """A walk whose steps are drawn: by its seed, or by a generator that no seed reaches."""

    observation_space = spaces.Box(-np.inf, np.inf, (1,), np.float64)
    action_space = spaces.Discrete(2)
    hidden = None

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at = np.zeros(1)
        return self.at.copy(), {}

    def step(self, action):
        rng = self.np_random if self.hidden is None else self.hidden
        self.at += rng.normal() + action
        return self.at.copy(), float(self.at[0]), False, False, {}


class Saving(Walk):
    def state_dict(self):
        return {"at": self.at, "rng": self.np_random.bit_generator.state, "steps": [np.int64(3), (1.5,)]}

    def load_state_dict(self, state):
        self.at, self.np_random.bit_generator.state = state["at"].copy(), state["rng"]


class Unseeded(Walk):
    def __init__(self):
        self.hidden = np.random.default_rng()


class Leftover(Walk):
    """Its second episode begins where the first ended."""

    def reset(self, *, seed=None, options=None):
        left = getattr(self, "at", np.zeros(1))
        super().reset(seed=seed)
        self.at = left
        return self.at.copy(), {}


class Entangled(Walk):
    """All instances draw from one generator, NumPy's say, which the last reset of any has seeded."""

    drawing = None

    def reset(self, *, seed=None, options=None):
        Entangled.drawing = np.random.default_rng(seed)
        return super().reset(seed=seed)

    def step(self, action):
        self.hidden = Entangled.drawing
        return super().step(action)


class Clock(gym.Wrapper):
    """Remembers something of its own."""


@pytest.mark.parametrize(
    ("make", "way"),
    [
        (Walk, "replay"),
        (Saving, "own"),
        (lambda: TimeLimit(OrderEnforcing(Saving()), 5), "own"),
        (lambda: Clock(Saving()), "replay"),  # what the wrapper remembers nobody saves
        (Unseeded, "none"),
        (Leftover, "none"),
        (Entangled, "none"),
    ],
    ids=["seeded", "saving", "limited", "wrapped", "unseeded", "leftover", "entangled"],
)
def test_the_way_is_found_out_by_playing(make, way):
    assert way_of(make) == way


def test_the_owner_is_behind_wrappers_that_remember_nothing_unsaved():
    inner = Saving()
    assert owner_of_state(TimeLimit(OrderEnforcing(inner), 5)) is inner
    assert owner_of_state(Clock(inner)) is None
    assert owner_of_state(Walk()) is None


def test_time_limits_and_state_go_on_in_a_fresh_instance():
    def make():
        return TimeLimit(OrderEnforcing(TimeLimit(Saving(), 50)), 6)

    one, other = make(), make()
    one.reset(seed=4)
    for _ in range(4):
        one.step(1)
    state = own_state(one)
    assert state["elapsed"] == [4, 4]
    load_own_state(other, state)
    for _ in range(2):
        (obs, *rest), (same, *like) = one.step(0), other.step(0)
        assert obs == same
        assert rest == like
    assert rest[2] is True  # truncated: six steps


def test_what_is_saved_is_arrays_and_json_and_a_copy():
    env = Saving()
    env.reset(seed=0)
    state = own_state(env)["own"]
    assert state["steps"] == [3, [1.5]]
    assert type(state["steps"][0]) is int
    env.step(1)
    assert state["at"].tolist() == [0]


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"game": object()}, "holds a object: give arrays of numbers and JSON values only"),
        ({"seen": {1, 2}}, "holds a set: give arrays"),
        ({"names": np.array(["a", "b"])}, "holds a <U1 array: give arrays of numbers"),
        ({"rooms": {3: "red"}}, "has a key 3: give text, since a file keeps no other keys"),
    ],
)
def test_what_no_file_keeps_is_refused(state, message):
    env = Saving()
    env.reset(seed=0)
    env.state_dict = lambda: state
    with pytest.raises(ValueError, match=message):
        own_state(env)


NESTED = {"b": (np.arange(3), {"x": np.float32(1.5)}), "a": "text"}


def test_leaves_come_in_the_order_of_names_each_after_its_name():
    assert [part if isinstance(part, str) else np.asarray(part).tolist() for part in leaves(NESTED)] == [
        "a",
        "text",
        "b",
        [0, 1, 2],
        "x",
        1.5,
    ]


def test_a_digest_knows_values_types_shapes_and_names():
    array = np.arange(4)
    assert digest_of(array) == digest_of(array.copy())
    others = [
        array + 1,
        array.astype(np.int32),
        array.reshape(2, 2),
        {"a": array},
        {"b": array},
        [0, 1, 2, 3],
    ]
    assert len({digest_of(array), *map(digest_of, others)}) == 7
    assert digest_of(array, 1.0) != digest_of(array, 2.0)
    assert digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})


def test_copies_share_nothing():
    copy = copied(NESTED)
    NESTED["b"][0][0] = 9
    assert copy["b"][0].tolist() == [0, 1, 2]
    NESTED["b"][0][0] = 0
    assert isinstance(copy["b"], tuple)


def test_packed_observations_come_back_as_their_space_has_them():
    space = spaces.Dict(
        {"pair": spaces.Tuple((spaces.Discrete(3), spaces.Box(0, 1, (2,)))), "one": spaces.Box(0, 1, (1,))}
    )
    obs = space.sample()
    flat = packed(obs)
    assert set(flat["pair"]) == {"0", "1"}
    again = unpacked(flat, space)
    assert isinstance(again["pair"], tuple)
    assert digest_of(packed(again)) == digest_of(flat)
