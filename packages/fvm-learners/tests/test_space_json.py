"""Spaces that come back from JSON as they were."""

import json
from inspect import signature

import gymnasium as gym
import numpy as np
import pytest
from fvm_learners.space_json import space_from_json, space_to_json
from gymnasium import spaces


@pytest.mark.parametrize(
    "space",
    [
        spaces.Discrete(5, start=-2),
        spaces.Box(0, 255, (64, 64, 3), np.uint8),
        spaces.Box(0, 1, (10, 10, 4), np.bool_),
        spaces.Box(-np.inf, np.inf, (4,), np.float32),
        spaces.Box(np.array([-0.1, -np.inf]), np.array([1e300, 0.3]), dtype=np.float64),
        spaces.Box(-1, 1, (), np.float32),
        spaces.Dict(obs=spaces.Box(-1, 1, (2,), np.float32), feedback=spaces.Box(-np.inf, np.inf, (4,))),
        gym.make("CartPole-v1").observation_space,
        gym.make("Pendulum-v1").action_space,
    ],
    ids=str,
)
def test_a_space_comes_back(space):
    text = json.dumps(space_to_json(space), allow_nan=False)
    assert space_from_json(json.loads(text)) == space
    assert len(text) < 1000


@pytest.mark.skipif(
    "dtype" not in signature(spaces.Discrete).parameters, reason="this Gymnasium's have one type"
)
def test_the_type_of_whole_numbers_comes_back_where_it_is_another():
    assert "dtype" not in space_to_json(spaces.Discrete(3))  # what was saved before stays as it was
    space = spaces.Discrete(3, start=1, dtype=np.int32)
    again = space_from_json(json.loads(json.dumps(space_to_json(space))))
    assert (again, again.dtype) == (space, np.int32)


def test_what_cannot_be_saved_is_named():
    with pytest.raises(TypeError, match=r"MultiDiscrete.* cannot be saved: only Box, Discrete"):
        space_to_json(spaces.MultiDiscrete([2, 3]))
    with pytest.raises(ValueError, match="is no space"):
        space_from_json({"kind": "Text"})
