"""Episodes that begin deep inside a level: always in the same place, and to their level's own time-out."""

import json

import numpy as np
import pytest
from fvm_envs import make_vec
from fvm_envs.procgen import StartStates
from fvm_envs.procgen.games import ACTION_SETS
from fvm_envs.procgen.starts import read_start_states

pytestmark = pytest.mark.procgen
TASKS = "procgen/coinrun-easy/0:6"


def played(task, rule, attempt, steps):
    """The observation after so many steps of the rule's player from the level's start; None if it ended."""
    envs = make_vec(task, 1, 0)
    obs, _ = envs.reset()
    level = int(task.rpartition("/")[2])
    draws = np.random.default_rng([rule.seed, level, attempt]).integers(
        len(ACTION_SETS[rule.player]), size=rule.steps
    )
    for draw in draws[:steps]:
        obs, _, terminated, truncated, _ = envs.step(np.array([ACTION_SETS[rule.player][draw]]))
        if (terminated | truncated).any():
            return None
    return obs[0]


def test_an_episode_begins_where_the_player_has_come_to():
    rule = StartStates(steps=25, player="moves", seed=3)
    for level in range(3):
        task = f"procgen/coinrun-easy/{level}"
        obs, info = make_vec(task, 1, 0, start_states=rule).reset()
        assert info["level"] == [level]
        reached = (played(task, rule, attempt, 25) for attempt in range(rule.tries))
        expected = next(frame for frame in reached if frame is not None)
        assert np.array_equal(obs[0], expected)
        start = make_vec(task, 1, 0).reset()[0]
        assert not np.array_equal(obs, start)


def test_where_the_player_always_ends_before_they_begin_halfway_through_its_longest_episode():
    rule = StartStates(steps=2_000, tries=3)  # Coinrun's time-out is 1,000 steps
    task = "procgen/coinrun-easy/1"
    envs = make_vec(task, 1, 0, start_states=rule)
    obs, _ = envs.reset()
    lengths = []
    for attempt in range(rule.tries):
        steps = 0
        while played(task, rule, attempt, steps + 1) is not None:
            steps += 1
        lengths.append(steps)
    longest = int(np.argmax(lengths))
    assert np.array_equal(obs[0], played(task, rule, longest, lengths[longest] // 2))


def test_every_episode_begins_there_again_and_on_the_level_it_is_told():
    envs = make_vec(TASKS, 3, 0, on_episode_end="stay", start_states={"steps": 20})
    first, _ = envs.reset()
    rng, ended = np.random.default_rng(0), np.zeros(3, int)
    for _ in range(300):
        obs, _, terminated, truncated, info = envs.step(rng.integers(7, 9, size=3))  # to the right
        over = terminated | truncated
        ended += over
        assert all(np.array_equal(obs[slot], first[slot]) for slot in np.flatnonzero(over))
        assert info["level"].tolist() == [0, 1, 2]
    assert ended.sum() > 3
    mask = np.array([True, False, False])
    moved, info = envs.reset(options={"reset_mask": mask, "tasks": ["procgen/coinrun-easy/4", None, None]})
    alone = make_vec("procgen/coinrun-easy/4", 1, 9, start_states={"steps": 20}).reset()[0]
    assert np.array_equal(moved[0], alone[0])
    assert info["level"][0] == 4


@pytest.mark.parametrize("autoreset", ["same_step", "next_step"])
def test_a_state_in_mid_episode_goes_on_in_a_fresh_instance(autoreset, filed):
    rule = {"steps": 15, "player": "coinrun"}

    def make(seed):
        return make_vec(TASKS, 3, seed, start_states=rule, autoreset=autoreset)

    one, two = make(0), make(1)
    one.reset()
    rng = np.random.default_rng(0)
    for _ in range(40):
        one.step(rng.integers(15, size=3))
    two.load_state_dict(filed(one.state_dict()))
    for _ in range(200):
        actions = rng.integers(15, size=3)
        for a, b in zip(one.step(actions)[:4], two.step(actions)[:4], strict=True):
            np.testing.assert_array_equal(a, b)
    assert one._skipped.tolist() == two._skipped.tolist() == [15, 15, 15]


def test_the_time_out_is_the_level_s_own():
    """Standing still at a start of 40 steps, an episode is cut after 1,000 - 40, and told as truncated."""
    envs = make_vec("procgen/coinrun-easy/0", 1, 0, start_states={"steps": 40, "player": "coinrun"})
    envs.reset()
    still = ACTION_SETS["full"].index(4)
    steps, ended = 0, np.zeros(1, bool)
    while not ended[0]:
        *_, terminated, truncated, _ = envs.step(np.array([still]))
        steps, ended = steps + 1, terminated | truncated
    assert (steps, bool(truncated[0]), bool(terminated[0])) == (960, True, False)


def test_the_rule_is_json_and_the_same_states_everywhere():
    rule = json.loads(json.dumps({"steps": 20, "seed": 5}))
    one, two = (make_vec(TASKS, num, num, start_states=rule) for num in (1, 2))
    assert one.start_states_sha256() == two.start_states_sha256()
    other = make_vec(TASKS, 1, 0, start_states={**rule, "steps": 21})
    assert other.start_states_sha256() != one.start_states_sha256()
    assert make_vec(TASKS, 1, 0).start_states_sha256() != one.start_states_sha256()
    assert read_start_states(rule) == StartStates(steps=20, seed=5)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({}, ValueError, "start_states lacks steps"),
        ({"steps": 5, "depth": 3}, ValueError, "start_states has depth: its fields are steps, player, tries"),
        ({"steps": 0}, ValueError, "start_states' steps is 0: give 1 to"),
        ({"steps": 2.5}, TypeError, "start_states' steps is 2.5: give a whole number"),
        ({"steps": 10**12}, ValueError, "start_states' steps is 1000000000000: give"),
        ({"steps": 5, "player": "best"}, ValueError, "start_states' player is 'best': the action sets are"),
        ({"steps": 5, "tries": True}, TypeError, "start_states' tries is True"),
        (40, TypeError, "start_states is 40: give a mapping"),
    ],
)
def test_what_is_no_rule_is_said(given, error, message):
    with pytest.raises(error, match=message):
        make_vec(TASKS, 1, 0, start_states=given)
