"""What is told of episodes that have just ended."""

import threading

import numpy as np
from fvm_envs.episode_info import final_entries, obs_of_slot

ENDED = np.array([True, False, True])


def test_last_infos_and_observations_stand_beside_their_masks():
    told = {"level": np.array([4, 5, 6]), "episode": {"r": np.zeros(3)}, "_final_obs": ENDED}
    found = final_entries(ENDED, told, [np.array([1.0]), np.array([3.0])])
    assert set(found) == {"final_info", "_final_info", "final_obs", "_final_obs"}
    assert set(found["final_info"]) == {"level", "_level"}  # what is of the episode itself is no last info
    assert found["final_info"]["level"].tolist() == [4, 5, 6]
    assert found["final_info"]["_level"].tolist() == found["_final_obs"].tolist() == ENDED.tolist()
    assert [None if obs is None else obs.tolist() for obs in found["final_obs"]] == [[1.0], None, [3.0]]


def test_what_was_told_is_copied_and_an_observation_that_cannot_be_shown_is_left_out():
    told = {"level": np.array([4, 5, 6])}
    found = final_entries(ENDED, told, None)
    told["level"][:] = 0
    assert found["final_info"]["level"].tolist() == [4, 5, 6]
    assert "final_obs" not in found
    assert "_final_obs" not in found


def test_what_cannot_be_copied_is_handed_on_as_it_is():
    lock = threading.Lock()
    told = {"lock": np.array([lock, None, lock]), "level": np.array([4, 5, 6])}
    found = final_entries(ENDED, told, None)["final_info"]
    assert found["lock"][0] is lock
    assert found["level"] is not told["level"]


def test_a_slot_is_taken_out_of_nested_parts():
    obs = {"a": np.arange(6).reshape(3, 2), "b": {"c": np.array([7, 8, 9])}}
    one = obs_of_slot(obs, 1)
    assert one["a"].tolist() == [2, 3]
    assert one["b"]["c"] == 8
    assert obs_of_slot(np.array([5, 6]), 1) == 6
