import numpy as np
import pytest
from fvm_envs.manipulation.demos import get_demos, keyframes_of
from fvm_envs.manipulation.observation import ObservationConfig, observe
from fvm_envs.manipulation.simulator import Simulator
from fvm_envs.manipulation.tasks import TASKS

pytestmark = pytest.mark.manipulation
SMALL = ObservationConfig(cameras=("front", "wrist"), image_size=(24, 24))


@pytest.fixture(scope="module")
def simulator():
    return Simulator()


def motion(*speeds):
    return np.repeat(np.array(speeds, dtype=float)[:, None], 7, axis=1)


@pytest.mark.parametrize(
    ("open", "speeds", "expected"),
    [
        # Only the last frame; a change; a stop and the last frame.
        ([1] * 6, [1] * 6, (5,)),
        ([1, 1, 1, 0, 0, 0, 0], [1] * 7, (3, 6)),
        ([1] * 9, [1, 1, 1, 1, 0, 1, 1, 1, 1], (4, 8)),
        # The first two frames and the last but one are no stops.
        ([1] * 7, [0, 0, 1, 1, 1, 0, 1], (6,)),
        # A long stop counts once in five frames.
        ([1] * 14, [1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1], (3, 8, 13)),
        # No stop where the gripper changes in frames i-2 to i+1; neighbours at the end are one.
        ([1, 1, 1, 1, 0, 0, 0, 0, 0], [1, 1, 1, 0, 0, 0, 1, 1, 1], (4, 8)),
        ([1, 1, 1, 1, 1, 0], [1] * 6, (5,)),
        ([1, 1, 1, 1, 0, 0], [1] * 6, (5,)),
    ],
)
def test_keyframes(open, speeds, expected):
    assert keyframes_of(np.array(open, dtype=float), motion(*speeds)) == expected


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


def test_no_such_task():
    with pytest.raises(ValueError, match="there is no task 'juggle'"):
        get_demos("juggle", 1, seed=0)
