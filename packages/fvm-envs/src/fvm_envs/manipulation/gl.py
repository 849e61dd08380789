"""Pictures drawn by OpenGL: prettier edges and shadows, for videos.

Needs MuJoCo's own renderer to find a GL (`pip install pyopengl glfw`, EGL or OSMesa of the system, and
`MUJOCO_GL=egl` or `osmesa` set before Python starts); everything else here works without. The pictures depend
on the driver, so nothing that has to be reproducible uses them.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from fvm_envs.manipulation.world import World

NEAR_M = 0.005
"""What is nearer to a camera is not drawn; MuJoCo's default cuts the fingers out of the wrist's pictures."""
_renderers: WeakKeyDictionary[World, dict[tuple[int, int], Any]] = WeakKeyDictionary()


def render(world: World, camera: str, size: tuple[int, int], *, shadows: bool = True) -> NDArray[np.uint8]:
    """What a camera sees now, uint8 [H, W, 3].

    Raises:
        ImportError: If there is no OpenGL to draw with.
    """
    model, data, engine = world.model, world.data, world.mujoco
    of_world = _renderers.setdefault(world, {})
    model.vis.quality.shadowsize = 4096 if shadows else 0
    model.vis.map.znear = NEAR_M / model.stat.extent
    if size not in of_world:
        try:
            of_world[size] = engine.Renderer(model, *size)
        except Exception as error:
            raise ImportError(
                "renderer 'gl' found no OpenGL: pip install pyopengl glfw, install EGL or OSMesa and set "
                "MUJOCO_GL=egl (or osmesa) before Python starts, or use renderer 'ray'"
            ) from error
    # Not mj_forward: that would change what the solver starts from, and so the bytes of what follows.
    engine.mj_kinematics(model, data)
    engine.mj_comPos(model, data)
    engine.mj_camlight(model, data)
    painted = model.geom_rgba.copy()
    model.geom_rgba[:, :3] = world.colours / 255.0
    of_world[size].update_scene(data, camera=camera)
    model.geom_rgba[:] = painted  # The model is shared; an episode's colours are the world's.
    frame: NDArray[np.uint8] = of_world[size].render()
    return frame
