"""Which pictures an observation holds, and what is written on the clock."""

import numpy as np
import pytest
from fvm_envs.manipulation.observation import ObservationConfig, observe, remaining_time
from fvm_envs.manipulation.simulator import Simulator
from fvm_envs.manipulation.tasks import TASKS


def test_the_clock_runs_from_1_to_minus_1():
    assert [remaining_time(step, 5) for step in range(6)] == [1.0, 0.5, 0.0, -0.5, -1.0, -1.0]
    assert remaining_time(0, 1) == 1.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"cameras": ("front", "ceiling")},
            r"no cameras \['ceiling'\]: the cameras are front, ",
        ),
        ({"cameras": ("front", "front")}, "name each once"),
        ({"image_size": (0, 64)}, "1 to 4096 pixels each"),
        ({"image_size": (64,)}, "give height and width"),
        ({"renderer": "vulkan"}, "expected 'ray' or 'gl'"),
    ],
)
def test_what_cannot_be_seen_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        ObservationConfig(**options)


def test_options_as_json_has_them():
    asked = {"image_size": 32, "cameras": ["wrist"], "depth": False, "episode_length": 5}
    config = ObservationConfig.of(asked)
    assert config == ObservationConfig(image_size=(32, 32), cameras=("wrist",), depth=False)
    assert ObservationConfig.of({"image_size": [8, 16]}).image_size == (8, 16)


@pytest.mark.manipulation
@pytest.mark.parametrize("pictures", [{}, {"rgb": False, "point_cloud": False}])
def test_an_observation_lies_in_its_space_and_holds_nothing_else(pictures):
    config = ObservationConfig(cameras=("front", "wrist"), image_size=(8, 12), **pictures)
    simulator = Simulator()
    simulator.reset(TASKS["push_button"], 0, 1)
    obs, space = observe(simulator, config, 0.5), config.space()
    assert obs.keys() == space.spaces.keys()
    assert space.contains(obs)
    assert ("front_rgb" in obs) == config.rgb
    assert obs["front_depth"].shape == (8, 12)
    assert obs["time"].tolist() == [0.5]
    assert obs["gripper_open"].tolist() == [1.0]
    np.testing.assert_allclose(obs["gripper_pose"][:3], simulator.world.tip()[0], atol=1e-6)
