"""AppleRetrieval: its rules by hand, and that a walk in one go is the walk step by step."""

import numpy as np
import pytest
from fvm_envs import TaskSet, make_vec, score_range
from fvm_envs.apple import TASKS
from fvm_envs.task import Task

RIGHT, LEFT = 1, 0


def play(envs, actions):
    """Observations before each action, rewards, and whether FAR was seen, of slot 0."""
    obs, info = envs.reset()
    seen, rewards, far = [], [], []
    for action in actions:
        seen.append(obs[0].tolist())
        far.append(bool(info["far"][0]))
        obs, reward, _, _, info = envs.step(np.full(envs.num_envs, action))
        rewards.append(float(reward[0]))
    return seen, rewards, far


def test_out_and_back_by_hand():
    envs = make_vec("apple/out-and-back/2", 1, 0, feature=0.5, max_steps=9)
    actions = [LEFT, RIGHT, LEFT, RIGHT, RIGHT, RIGHT, LEFT, LEFT, LEFT]
    seen, rewards, far = play(envs, actions)
    out, back = [-0.5, 1.0], [0.5, 1.0]
    # A wall at home; two to the right reach the apple; a wall there, too; home again ends in step 8.
    assert seen == [out] * 5 + [back] * 3 + [[0.0, 0.0]]
    assert rewards == [-1, 1, -1, 1, 1, -1, 1, 1, 0]
    assert far == [False] * 5 + [True] * 3 + [False]


def test_the_other_tasks_by_hand():
    known_first = make_vec("apple/back-and-out/1", 1, 0, max_steps=3)
    assert play(known_first, [LEFT, RIGHT, RIGHT])[1:] == ([1, 1, 0], [True, False, False])
    back = make_vec("apple/back/1", 1, 0, max_steps=3)
    assert play(back, [RIGHT, LEFT, LEFT])[1] == [-1, 1, 0]
    wrong = make_vec("apple/wrong-back/1", 1, 0, max_steps=3)
    assert play(wrong, [RIGHT, RIGHT, LEFT])[1] == [1, 1, -1]  # it never ends


def test_an_episode_is_cut_when_its_time_is_up_and_says_what_it_saw_last():
    envs = make_vec("apple/back/1", 2, 0, max_steps=2)
    envs.reset()
    envs.step(np.array([RIGHT, LEFT]))
    obs, _, terminated, truncated, info = envs.step(np.array([RIGHT, LEFT]))
    assert not terminated.any()
    assert truncated.all()
    assert info["episode"]["r"].tolist() == [-2.0, 1.0]
    assert info["final_obs"][1].tolist() == [0.0, 0.0]
    assert obs.tolist() == [[0.25, 1.0]] * 2


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("on_episode_end", ["stay", "resample"])
def test_a_walk_in_one_go_is_the_walk_step_by_step(name, on_episode_end):
    tasks = f"apple/{name}/3,apple/out-and-back/2"
    one, two = (
        make_vec(tasks, 3, 5, on_episode_end=on_episode_end, feature=0.5, max_steps=12) for _ in range(2)
    )
    rng, right = np.random.default_rng(0), np.array([0.7, 0.2, 0.5])
    one.reset(seed=1)
    obs, info = two.reset(seed=1)
    far = 0
    for _ in range(40):
        uniform = rng.random((12, 3))
        walked = one.walk(right, uniform)
        far = 0
        np.testing.assert_array_equal(walked.task_index, info["task_index"])
        for t in range(12):
            kind = np.array([np.flatnonzero((one.kinds == row).all(axis=1))[0] for row in obs])
            action = (uniform[t] < right[kind]).astype(np.int64)
            far += info["far"].sum()
            obs, reward, _, _, info = two.step(action)
            np.testing.assert_array_equal(walked.kind[t], kind)
            np.testing.assert_array_equal(walked.action[t], action)
            np.testing.assert_array_equal(walked.reward[t], reward)
        assert walked.far == far
        np.testing.assert_array_equal(one.observe(), obs)
    assert one.state_dict()["np_random"] == two.state_dict()["np_random"]


def test_each_slot_may_have_chances_of_its_own():
    tasks, rights = "apple/out-and-back/3", np.array([[0.9, 0.5], [0.2, 0.4], [0.5, 0.5]])
    both = make_vec(tasks, 2, 0, max_steps=12)
    both.reset(seed=1)
    uniform = np.random.default_rng(3).random((12, 2))
    walked = both.walk(rights, uniform)
    for slot in range(2):
        one = make_vec(tasks, 1, 0, max_steps=12)
        one.reset(seed=1)
        alone = one.walk(rights[:, slot], uniform[:, [slot]])
        np.testing.assert_array_equal(walked.reward[:, [slot]], alone.reward)
        np.testing.assert_array_equal(walked.action[:, [slot]], alone.action)


def test_a_walk_begins_where_an_episode_does():
    envs = make_vec("apple/back/3", 1, 0, max_steps=6)
    with pytest.raises(RuntimeError, match="reset first"):
        envs.walk(np.zeros(3), np.zeros((6, 1)))
    envs.reset()
    with pytest.raises(ValueError, match=r"give \(6, 1\)"):
        envs.walk(np.zeros(3), np.zeros((5, 1)))
    envs.step(np.array([LEFT]))
    with pytest.raises(RuntimeError, match="do not step in between"):
        envs.walk(np.zeros(3), np.zeros((6, 1)))


def test_a_state_goes_on_in_another_instance(filed):
    one, two = (make_vec("apple/out-and-back/3,apple/back/2", 4, seed, max_steps=7) for seed in (0, 1))
    one.reset()
    rng = np.random.default_rng(0)
    for _ in range(10):
        one.step(rng.integers(2, size=4))
    two.load_state_dict(filed(one.state_dict()))
    for _ in range(30):
        action = rng.integers(2, size=4)
        for a, b in zip(one.step(action)[:4], two.step(action)[:4], strict=True):
            np.testing.assert_array_equal(a, b)
    with pytest.raises(ValueError, match="damaged"):
        two.load_state_dict({**one.state_dict(), "own": {"leg": np.zeros(3), "place": np.zeros(3)}})


def test_masked_slots_begin_anew_and_the_others_stay():
    envs = make_vec("apple/out-and-back/3,apple/back/3", 3, 0, max_steps=7, on_episode_end="stay")
    envs.reset()
    envs.step(np.array([1, 1, 1]))
    mask = np.array([False, False, True])
    obs, info = envs.reset(options={"tasks": [None, None, "apple/back/3"], "reset_mask": mask})
    assert info["task_index"].tolist() == [0, 1, 1]
    assert obs[:, 0].tolist() == [-0.25, 0.25, 0.25]
    assert envs.lengths.tolist() == [1, 1, 0]


def test_chance_comes_to_nothing():
    envs = make_vec("apple/out-and-back/3", 2_000, 0, max_steps=20)
    envs.reset()
    walked = envs.walk(np.full(3, 0.5), np.random.default_rng(0).random((20, 2_000)))
    per_step = walked.reward.sum() / (walked.reward != 0).sum()
    assert abs(per_step) < 4 / (walked.reward != 0).sum() ** 0.5


def test_who_is_scored_gets_a_point_for_the_whole_walk():
    assert score_range(Task.parse("apple/out-and-back/30")) == (0.0, 1.0)
    envs = make_vec("apple/out-and-back/1", 1, 0, max_steps=5, reward="success")
    assert play(envs, [LEFT, RIGHT, RIGHT, LEFT, LEFT])[1] == [0, 0, 0, 1, 0]
    with pytest.raises(RuntimeError, match="with that reward"):
        envs.walk(np.zeros(3), np.zeros((5, 1)))


@pytest.mark.parametrize("task", ["apple/out-and-back", "apple/out/3", "apple/back/0"])
def test_tasks_that_do_not_exist_are_refused(task):
    with pytest.raises(ValueError, match="no task of AppleRetrieval"):
        make_vec(TaskSet([task]), 1, 0)


@pytest.mark.parametrize(
    ("options", "message"), [({"max_steps": 5}, "needs more steps"), ({"feature": 0.0}, "above 0")]
)
def test_options_that_cannot_be_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        make_vec("apple/out-and-back/3", 1, 0, **options)
