"""The room: where its cameras look, and what may touch what."""

import sys

import numpy as np
import pytest
from fvm_envs.manipulation import scene
from fvm_envs.manipulation.tasks import TASKS
from fvm_envs.manipulation.world import World


def test_a_camera_has_its_target_in_the_middle_and_stands_upright():
    """`xyaxes` are right and up; a camera looks along minus their cross product."""
    right, up = np.array(scene._look_at((1.0, 0.0, 2.0), (0.0, 0.0, 1.0))).reshape(2, 3)
    np.testing.assert_allclose(right, [0, 1, 0], atol=1e-12)
    np.testing.assert_allclose(up, np.array([-1, 0, 1]) / np.sqrt(2), atol=1e-12)
    np.testing.assert_allclose(-np.cross(right, up), np.array([-1, 0, -1]) / np.sqrt(2), atol=1e-12)


@pytest.mark.manipulation
def test_cameras_of_a_compiled_room_look_at_the_workspace():
    world = World(TASKS["reach_target"])
    world.mujoco.mj_forward(world.model, world.data)
    low, high = np.array(scene.BOUNDS[:3]), np.array(scene.BOUNDS[3:])
    for name in scene.CAMERAS:
        camera = world.data.camera(name)
        ahead = -camera.xmat.reshape(3, 3)[:, 2]
        along = np.linspace(0, 2, 400)[:, None]
        seen = camera.xpos + along * ahead
        assert ((low < seen) & (seen < high)).all(axis=1).any(), name
    assert world.model.opt.timestep == scene.TIMESTEP_S
    np.testing.assert_allclose(world.model.geom("table").pos[2] + world.model.geom("table").size[2], 0.75)


@pytest.mark.manipulation
def test_a_thing_that_may_be_held_has_a_weld_that_is_off():
    world = World(TASKS["pick_and_lift"])
    welds = [world.model.equality(i).name for i in range(world.model.neq)]
    assert {"grasp:block", "grasp:distractor0", "grasp:distractor1"} <= set(welds)
    active = dict(zip(welds, world.data.eq_active, strict=True))
    assert not any(on for name, on in active.items() if name.startswith("grasp:"))


def test_without_mujoco_a_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "mujoco", None)
    with pytest.raises(ImportError, match=r"need MuJoCo: pip install 'fvm-envs\[manipulation\]'"):
        scene.engine()
