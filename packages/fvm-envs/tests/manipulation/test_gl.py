"""OpenGL's pictures where there is OpenGL; else a sentence that says how to have it."""

import numpy as np
import pytest
from fvm_envs.manipulation import gl, raycast
from fvm_envs.manipulation.tasks import TASKS
from fvm_envs.manipulation.world import World

pytestmark = pytest.mark.manipulation


def picture_or_error(world):
    try:
        return gl.render(world, "front", (48, 64))
    except ImportError as error:
        return str(error)


def test_a_picture_or_a_sentence():
    """Drawing leaves the episode as it was, and shows the colours of its world."""
    world = World(TASKS["reach_target"])
    world.kinematics()
    physics, painted = world.state()["physics"], world.model.geom_rgba.copy()
    drawn = picture_or_error(world)
    if isinstance(drawn, str):
        assert "pip install pyopengl glfw" in drawn
        assert "use renderer 'ray'" in drawn
    else:
        assert drawn.shape == (48, 64, 3)
        assert drawn.dtype == np.uint8
        rays = raycast.render(world, "front", (48, 64)).rgb
        assert np.abs(drawn.astype(float) - rays).mean() < 60  # the same room
    np.testing.assert_array_equal(world.state()["physics"], physics)
    np.testing.assert_array_equal(world.model.geom_rgba, painted)
