"""What every vector environment here must do: Gymnasium has no checker for vector environments."""

import json

import numpy as np
import pytest
from fvm_envs import TaskSet, make_vec
from gymnasium.spaces import Discrete
from gymnasium.vector import AutoresetMode, VectorEnv

NUM_ENVS = 5
ENVS = {
    "coinrun": ("procgen/coinrun-easy/0:20", {"actions": "coinrun"}),
    "coinrun-threads": ("procgen/coinrun-easy/0:20", {"actions": "right", "num_threads": 2}),
    "maze": ("procgen/maze-hard/0:3,procgen/maze-hard/100:104", {"use_backgrounds": False}),
    "jumper": ("procgen/jumper-easy/0:7", {}),
    "atari": (
        "atari/breakout,atari/asterix",
        {"max_frames": 600, "repeat_action_probability": 0.25, "num_threads": 2},
    ),
    "catch": ("toy/catch/0:96", {}),
    "hidden-catch": ("toy/hidden-catch/0:24", {}),
    "catch-in-cells": ("toy/catch/0:96", {"cell_pixels": 1}),
    "two-stage": ("two-stage/close-first/1,two-stage/far-first/2,two-stage/far/2", {"shared": 0.5}),
    "catch-trials": ("toy/catch/0:96", {"cell_pixels": 1, "trials": 2}),
    "hidden-catch-trials": ("toy/hidden-catch/0:24", {"trials": 3, "reward_scale": 1.0}),
    "manipulation": (
        "rlbench/push_button,rlbench/reach_target/3,rlbench/pick_up_cup,rlbench/open_door,"
        "rlbench/take_usb_out_of_computer,rlbench/turn_tap/1,rlbench/stack_wine",
        {"cameras": ("front", "wrist"), "image_size": (16, 24), "episode_length": 3},
    ),
    "coinrun-trials": ("procgen/coinrun-easy/0:20", {"actions": "right", "trials": 2}),
}
MARKS = {
    "procgen": pytest.mark.procgen,
    "atari": pytest.mark.atari,
    "rlbench": pytest.mark.manipulation,
    "toy": (),
    "two-stage": (),
}
PARAMS = [pytest.param(key, marks=MARKS[ENVS[key][0].split("/")[0]]) for key in ENVS]


@pytest.fixture(params=PARAMS)
def make(request):
    tasks, options = ENVS[request.param]
    made = []

    def build(seed=0, on_episode_end="resample", num_envs=NUM_ENVS):
        made.append(make_vec(tasks, num_envs, seed, on_episode_end=on_episode_end, **options))
        return made[-1]

    yield build
    for envs in made:
        envs.close()


def actions_for(envs, num_steps, seed=0):
    """Random actions; where they are macro actions a twentieth as many, most of which can be reached."""
    rng, space = np.random.default_rng(seed), envs.single_action_space
    if isinstance(space, Discrete):
        return rng.integers(space.n, size=(num_steps, envs.num_envs))
    shape = (max(1, num_steps // 20), envs.num_envs, len(space.low))
    actions = rng.uniform(space.low, space.high, size=shape).astype(np.float32)
    actions[..., :3] = rng.uniform((0.2, -0.3, 0.7), (0.6, 0.3, 1.2), size=(*shape[:2], 3))
    actions[..., 3:7] = (1, 0, 0, 0)
    return actions


def picture(obs):
    """The image, also where it comes with other things."""
    return obs.get("obs", obs.get("front_rgb")) if isinstance(obs, dict) else obs


def at(obs, slots):
    return {key: part[slots] for key, part in obs.items()} if isinstance(obs, dict) else obs[slots]


def leaves(value):
    if isinstance(value, dict):
        for key in sorted(value):
            yield from ((f"{key}.{rest}", leaf) for rest, leaf in leaves(value[key]))
    else:
        yield "", value


def same(a, b):
    a, b = list(leaves(a)), list(leaves(b))
    assert [key for key, _ in a] == [key for key, _ in b]
    for (key, x), (_, y) in zip(a, b, strict=True):
        if getattr(x, "dtype", np.dtype(int)).kind == "O":
            for p, q in zip(x, y, strict=True):
                same(p, q)
        else:
            np.testing.assert_array_equal(x, y, err_msg=key)


def all_there_is(envs):
    """The whole state, or what can be seen of it."""
    if envs.saves_state:
        return envs.state_dict()
    obs, info = envs.reset(options={"reset_mask": np.zeros(envs.num_envs, dtype=bool)})
    return {"obs": obs, "info": info, "np_random": envs.np_random.bit_generator.state["state"]}


def same_step(a, b):
    for x, y in zip(a, b, strict=True):
        same(x, y)


def test_spaces(make):
    envs = make()
    assert isinstance(envs, VectorEnv)
    assert envs.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    obs, info = envs.reset(seed=0)
    assert envs.observation_space.contains(obs)
    assert all(envs.single_observation_space.contains(at(obs, slot)) for slot in range(NUM_ENVS))
    assert picture(obs).dtype == np.uint8
    assert info["task_index"].dtype == np.int64
    envs.action_space.seed(0)
    for _ in range(30):
        obs, reward, terminated, truncated, info = envs.step(envs.action_space.sample())
        assert envs.observation_space.contains(obs)
        assert reward.shape == terminated.shape == truncated.shape == (NUM_ENVS,)
        assert (reward.dtype, terminated.dtype, truncated.dtype) == (np.float64, np.bool_, np.bool_)
        assert not (terminated & truncated).any()
        assert info["episode"]["r"].dtype == np.float64
        assert info["episode"]["l"].dtype == np.int64
        np.testing.assert_array_equal(info["_episode"], terminated | truncated)
        assert ((info["task_index"] >= 0) & (info["task_index"] < len(envs.tasks))).all()


def test_same_seed_same_bytes(make):
    one, two, other = make(seed=3), make(seed=3), make(seed=4)
    same(one.reset()[0], two.reset()[0])
    other.reset()
    differs = False
    for action in actions_for(one, 200):
        step = one.step(action)
        same_step(step, two.step(action))
        differs |= not np.array_equal(picture(step[0]), picture(other.step(action)[0]))
    assert differs


def test_reset_with_a_seed_forgets_the_past(make):
    used, fresh = make(seed=1), make(seed=2)
    used.reset()
    for action in actions_for(used, 50):
        used.step(action)
    (obs_used, info_used), (obs_fresh, info_fresh) = used.reset(seed=7), fresh.reset(seed=7)
    same(obs_used, obs_fresh)
    same(info_used, info_fresh)
    for action in actions_for(used, 100, seed=1):
        same_step(used.step(action), fresh.step(action))


def test_stay_assigns_slot_i_to_task_i_and_keeps_it(make):
    num_envs = 8
    envs = make(on_episode_end="stay", num_envs=num_envs)
    expected = np.arange(num_envs) % len(envs.tasks)
    np.testing.assert_array_equal(envs.reset()[1]["task_index"], expected)
    for action in actions_for(envs, 40):
        np.testing.assert_array_equal(envs.step(action)[4]["task_index"], expected)
    np.testing.assert_array_equal(envs.reset()[1]["task_index"], expected)


def test_masked_reset_moves_the_masked_slots_only(make):
    moved, untouched = make(on_episode_end="stay"), make(on_episode_end="stay")
    moved.reset(seed=0)
    untouched.reset(seed=0)
    for action in actions_for(moved, 20):
        moved.step(action)
        before = untouched.step(action)[0]
    mask = np.array([False, True, False, True, False])
    last = len(moved.tasks) - 1
    target = moved.tasks[last]
    tasks = ["not/a-task/1", target, None, target.id, None]
    obs, info = moved.reset(options={"reset_mask": mask, "tasks": tasks})
    expected = np.where(mask, last, np.arange(NUM_ENVS) % len(moved.tasks))
    np.testing.assert_array_equal(info["task_index"], expected)
    same(at(obs, ~mask), at(before, ~mask))
    for action in actions_for(moved, 200, seed=1):
        a, b = moved.step(action), untouched.step(action)
        for x, y in zip(a[:4], b[:4], strict=True):
            same(at(x, ~mask), at(y, ~mask))
        np.testing.assert_array_equal(a[4]["episode"]["r"][~mask], b[4]["episode"]["r"][~mask])
        np.testing.assert_array_equal(a[4]["task_index"], expected)


def test_an_empty_mask_shows_the_current_observation(make):
    envs = make()
    envs.reset()
    obs, *_, info = envs.step(actions_for(envs, 1)[0])
    again, again_info = envs.reset(options={"reset_mask": np.zeros(NUM_ENVS, dtype=bool)})
    same(obs, again)
    np.testing.assert_array_equal(info["task_index"], again_info["task_index"])


def test_slots_that_never_started_start_at_the_first_reset(make):
    envs = make(on_episode_end="stay")
    mask = np.array([True, False, False, False, False])
    _, info = envs.reset(options={"reset_mask": mask, "tasks": [envs.tasks[1], *[None] * 4]})
    np.testing.assert_array_equal(info["task_index"], [1, *np.arange(1, NUM_ENVS) % len(envs.tasks)])


def test_episode_statistics_hold_the_rewards_of_their_own_episode(make):
    envs = make()
    _, info = envs.reset(seed=0)
    returns, lengths, task = np.zeros(NUM_ENVS), np.zeros(NUM_ENVS, dtype=int), info["task_index"]
    episodes = 0
    actions = actions_for(envs, 600)
    for step, action in enumerate(actions):
        if step == len(actions) // 2:  # An episode that a reset cuts off leaves nothing behind.
            mask = np.arange(NUM_ENVS) == 2
            task = envs.reset(options={"reset_mask": mask})[1]["task_index"]
            returns[mask], lengths[mask] = 0, 0
        _, reward, terminated, truncated, info = envs.step(action)
        returns += reward
        lengths += 1
        ended = terminated | truncated
        np.testing.assert_array_equal(info["episode"]["r"], np.where(ended, returns, 0))
        np.testing.assert_array_equal(info["episode"]["l"], np.where(ended, lengths, 0))
        np.testing.assert_array_equal(info["task_index"][~ended], task[~ended])
        returns[ended], lengths[ended], task = 0, 0, info["task_index"]
        episodes += ended.sum()
    assert episodes > 0


def test_the_observation_after_an_episode_is_the_first_of_the_next(make):
    envs = make(on_episode_end="stay")
    firsts = {}
    if envs.tasks[0].benchmark == "procgen":
        firsts = dict(enumerate(picture(envs.reset()[0])))
    envs.reset()
    seen = 0
    for action in actions_for(envs, 600):
        obs, *_, info = envs.step(action)
        for slot in np.flatnonzero(info["_episode"]):
            seen += 1
            if firsts:
                np.testing.assert_array_equal(picture(obs)[slot], firsts[slot])
            else:
                assert not np.array_equal(picture(obs)[slot], picture(info["final_obs"][slot]))
    assert seen > 0


def test_returned_arrays_are_not_overwritten_later(make):
    envs = make()
    kept = [envs.reset()]
    kept += [envs.step(action) for action in actions_for(envs, 5)]
    kept.append(envs.reset(options={"reset_mask": np.ones(NUM_ENVS, dtype=bool)}))
    copies = [[{key: np.copy(leaf) for key, leaf in leaves(part)} for part in returned] for returned in kept]
    for action in actions_for(envs, 100, seed=1):
        envs.step(action)
    for returned, parts in zip(kept, copies, strict=True):
        for part, copy in zip(returned, parts, strict=True):
            for key, leaf in leaves(part):
                if leaf.dtype.kind != "O":
                    np.testing.assert_array_equal(leaf, copy[key])


def test_state_goes_on_in_a_fresh_instance(make, filed):
    if not make().saves_state:
        pytest.skip("cannot save its state")
    for on_episode_end in ("resample", "stay"):
        one, two = make(seed=1, on_episode_end=on_episode_end), make(seed=2, on_episode_end=on_episode_end)
        one.reset()
        for action in actions_for(one, 37):
            obs = one.step(action)[0]
        state = one.state_dict()
        frozen = {key: np.copy(leaf) for key, leaf in leaves(state)}
        two.load_state_dict(filed(state))
        again, _ = two.reset(options={"reset_mask": np.zeros(NUM_ENVS, dtype=bool)})
        same(obs, again)
        for action in actions_for(one, 300, seed=1):
            same_step(one.step(action), two.step(action))
        same(one.state_dict(), two.state_dict())
        for key, leaf in leaves(state):
            np.testing.assert_array_equal(leaf, frozen[key])


def test_state_holds_arrays_and_json_values_only(make):
    envs = make()
    if not envs.saves_state:
        pytest.skip("cannot save its state")
    envs.reset()
    for _, leaf in leaves(envs.state_dict()):
        if not isinstance(leaf, np.ndarray):
            assert json.loads(json.dumps(leaf)) == leaf


def test_a_state_of_something_else_is_refused_and_changes_nothing(make):
    envs = make()
    envs.reset(seed=0)
    assert envs.can_save is envs.saves_state
    if not envs.saves_state:
        with pytest.raises(NotImplementedError, match="cannot save its state"):
            envs.state_dict()
        return
    state = envs.state_dict()
    with pytest.raises(ValueError, match="slots"):
        envs.load_state_dict({**state, "num_envs": 3})
    with pytest.raises(ValueError, match="another set of tasks"):
        envs.load_state_dict({**state, "tasks_sha256": TaskSet(["toy/catch/0"]).sha256})
    same(envs.state_dict(), state)


def test_episode_seeds_make_the_same_episodes(make):
    """Two environments of other seeds and pasts show the same, up to the end of the seeded episodes."""
    one, two = make(seed=1, on_episode_end="stay"), make(seed=2, on_episode_end="stay")
    one.reset()
    two.reset()
    for action in actions_for(one, 40):
        one.step(action)
    tasks = [one.tasks[i % len(one.tasks)] for i in range(1, NUM_ENVS + 1)]
    seeds = [[3, 4], [5], 6, 7, [8, 9, 10]]
    left = np.array([2, 1, 1, 1, 3])
    options = {"tasks": tasks, "episode_seeds": seeds}
    same(one.reset(options=dict(options))[0], two.reset(options=dict(options))[0])
    for action in actions_for(one, 200, seed=3):
        a, b = one.step(action), two.step(action)
        for x, y in zip(a[1:4], b[1:4], strict=True):
            np.testing.assert_array_equal(x[left > 0], y[left > 0])
        left -= a[2] | a[3]
        same(at(a[0], left > 0), at(b[0], left > 0))
        if not (left > 0).any():
            break


def test_frames_for_videos(make):
    envs = make()
    envs.reset()
    frame = envs.render_slot(1)
    assert frame.dtype == np.uint8
    assert frame.shape[0] == frame.shape[1] >= 500
    assert frame.shape[2] == 3
    assert len(np.unique(frame)) > 1
    assert len(envs.render()) == NUM_ENVS
    before = all_there_is(envs)
    envs.render_slot(2)
    same(all_there_is(envs), before)


BAD_INPUT = [
    (lambda e: e.step(np.zeros(NUM_ENVS + 1, dtype=int)), "shape"),
    (lambda e: e.step(np.zeros(NUM_ENVS)), "float64"),
    (lambda e: e.reset(options={"mask": None}), r"unknown reset options \['mask'\]"),
    (lambda e: e.reset(options={"reset_mask": np.ones(NUM_ENVS)}), "expected bool"),
    (lambda e: e.reset(options={"reset_mask": np.ones(2, dtype=bool)}), "expected bool"),
    (lambda e: e.reset(options={"tasks": [None]}), "one task"),
    (lambda e: e.reset(options={"tasks": ["toy/none/3"] * NUM_ENVS}), "toy/none/3 is not in this set"),
    (lambda e: e.reset(seed=[1, 2]), "2 seeds for 5 slots"),
    (lambda e: e.reset(options={"episode_seeds": [1, 2]}), "for each of the 5 slots"),
    (lambda e: e.reset(options={"episode_seeds": [1, 2, -3, 4, 5]}), "episode seed -3 of slot 2"),
]
BAD_DISCRETE_ACTIONS = [
    (lambda e: e.step(np.full(NUM_ENVS, 99)), r"99\.\.99: expected 0\.\."),
    (lambda e: e.step(np.full(NUM_ENVS, -1)), r"-1\.\.-1: expected 0\.\."),
]


def test_bad_input_says_what_was_expected_and_changes_nothing(make):
    envs = make()
    envs.reset(seed=0)
    before = all_there_is(envs)
    discrete = isinstance(envs.single_action_space, Discrete)
    for call, message in BAD_INPUT + (BAD_DISCRETE_ACTIONS if discrete else []):
        with pytest.raises(ValueError, match=message):
            call(envs)
        same(all_there_is(envs), before)


def test_slots_that_do_not_exist(make):
    envs = make()
    envs.reset()
    for slot in (-1, NUM_ENVS):
        with pytest.raises(IndexError, match=f"no slot {slot}: the slots are 0 to 4"):
            envs.render_slot(slot)
    for num_envs in (0, -1):
        with pytest.raises(ValueError, match=f"num_envs is {num_envs}"):
            make(num_envs=num_envs)


def test_step_before_reset(make):
    with pytest.raises(RuntimeError, match="call reset first"):
        make().step(np.zeros(NUM_ENVS, dtype=int))


def test_close_can_be_repeated(make):
    envs = make()
    envs.reset()
    envs.close()
    envs.close()
