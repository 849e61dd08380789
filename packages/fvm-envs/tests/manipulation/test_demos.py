import pickle

import numpy as np
import pytest
from fvm_envs.manipulation import demos
from fvm_envs.manipulation.demos import get_demos
from fvm_envs.manipulation.observation import ObservationConfig, observe
from fvm_envs.manipulation.simulator import Simulator
from fvm_envs.manipulation.tasks import TASKS

pytestmark = pytest.mark.manipulation
SMALL = ObservationConfig(cameras=("front", "wrist"), image_size=(24, 24))


@pytest.fixture(scope="module")
def simulator():
    return Simulator()


@pytest.mark.parametrize("name", TASKS)
def test_the_keyframes_of_a_demonstration_solve_its_episode(simulator, name):
    for demo in get_demos(name, 2, seed=1, simulator=simulator):
        assert demo.keyframes[-1] == len(demo) - 1
        assert 1 <= len(demo.keyframes) <= 10
        assert list(demo.keyframes) == sorted(set(demo.keyframes))
        assert demo.actions.shape == (len(demo.keyframes), 8)
        simulator.reset(TASKS[name], demo.variation, demo.seed)
        outcomes = []
        for action in demo.actions.astype(float):
            outcomes.append(simulator.execute(action[:3], action[3:7], action[7] > 0.5))
            if outcomes[-1].success or outcomes[-1].failure:
                break
        assert outcomes[-1].success


def test_demonstrations_are_the_same_for_every_n_and_differ(simulator):
    one, two = get_demos("push_button", 2, seed=4, simulator=simulator), get_demos("push_button", 3, seed=4)
    for a, b in zip(one, two[:2], strict=True):
        np.testing.assert_array_equal(a.qpos, b.qpos)
        assert a.keyframes == b.keyframes
    assert len({demo.seed for demo in two}) == 3
    assert get_demos("push_button", 1, seed=5)[0].seed not in {demo.seed for demo in two}


def test_pictures_of_frames_are_those_of_the_moment(simulator):
    (demo,) = get_demos("push_button", 1, seed=2, simulator=simulator)
    simulator.reset(TASKS["push_button"], 0, demo.seed)
    start = observe(simulator, SMALL, 1.0)
    elsewhere = Simulator()
    shown = demo.observation(0, SMALL, elsewhere)
    assert set(shown) == set(start)
    for key, value in start.items():
        np.testing.assert_array_equal(shown[key], value, err_msg=key)
    last = demo.observation(len(demo) - 1, SMALL, elsewhere)
    assert SMALL.space().contains(last)
    assert (last["front_rgb"] != start["front_rgb"]).any()
    # The cap is green in the end, and red before.
    cap = elsewhere.world.model.geom("button_cap").id
    assert tuple(elsewhere.world.colours[cap]) == (0, 255, 0)
    demo.observation(1, SMALL, elsewhere)
    assert tuple(elsewhere.world.colours[cap]) == (255, 0, 0)


def test_a_demonstration_renders_on_a_simulator_of_its_own(simulator):
    one, two = get_demos("push_button", 2, seed=2, simulator=simulator)
    given = one.observation(0, SMALL, Simulator())
    qpos = simulator.world.data.qpos.copy()
    np.testing.assert_array_equal(one.observation(0, SMALL)["front_rgb"], given["front_rgb"])
    np.testing.assert_array_equal(simulator.world.data.qpos, qpos)
    sent = pickle.loads(pickle.dumps(one))
    np.testing.assert_array_equal(sent.observation(0, SMALL)["front_rgb"], given["front_rgb"])
    assert two.observation(0, SMALL)["front_rgb"].shape == (24, 24, 3)
    for frame in (-1, len(one)):
        with pytest.raises(IndexError, match=f"no frame {frame}: the frames are 0 to {len(one) - 1}"):
            one.observation(frame, SMALL)


def test_time_counts_the_keyframes_that_are_done(simulator):
    (demo,) = get_demos("pick_and_lift", 1, seed=2, simulator=simulator)
    first, second = demo.keyframes[:2]
    times = [float(demo.observation(i, SMALL)["time"][0]) for i in (0, first - 1, first, second)]
    assert times == pytest.approx([1.0, 1.0, 1 - 2 / 9, 1 - 4 / 9])


@pytest.mark.parametrize(("name", "num"), [("push_button", 2), ("take_usb_out_of_computer", 4)])
def test_merged_keyframes_are_few_still_and_solve_the_episode(simulator, name, num):
    plain = get_demos(name, 2, seed=6, simulator=simulator)
    merged = get_demos(name, 2, seed=6, simulator=simulator, keyframes="merged")
    for arm, demo in zip(plain, merged, strict=True):
        assert (arm.rule, demo.rule) == ("arm", "merged")
        assert arm.seed == demo.seed
        assert len(demo.keyframes) == num < len(arm.keyframes)
        simulator.reset(TASKS[name], demo.variation, demo.seed)
        for keyframe, action in zip(demo.keyframes[:-1], demo.actions[:-1].astype(float), strict=True):
            assert not simulator.execute(action[:3], action[3:7], action[7] > 0.5).failure
            fingers = simulator.proprioception()["gripper_joint_positions"]
            np.testing.assert_allclose(demo.frames["gripper_joint_positions"][keyframe], fingers, atol=0.005)
        action = demo.actions[-1].astype(float)
        assert simulator.execute(action[:3], action[3:7], action[7] > 0.5).success


def test_keyframes_that_do_not_solve_the_episode_are_not_taken(simulator, monkeypatch):
    solves = demos.solves
    monkeypatch.setattr(demos, "solves", lambda s, demo: demo.rule != "merged" and solves(s, demo))
    (demo,) = get_demos("push_button", 1, seed=6, simulator=simulator, keyframes="merged")
    assert demo.rule == "settled"
    with pytest.raises(ValueError, match="keyframes is 'few': expected one of arm, settled, merged"):
        get_demos("push_button", 1, seed=6, keyframes="few")


def test_no_such_task():
    with pytest.raises(ValueError, match="there is no task 'juggle'"):
        get_demos("juggle", 1, seed=0)
