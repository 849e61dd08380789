"""The room, the table, the robot and a task's objects as one MJCF model, in RLBench's world frame.

The table's top is at z = .75, the robot's base at (-.27, 0, .75), the workspace [-.3, .7] x [-.5, .5] x
[.6, 1.6], as in RLBench and ARM; the cameras stand where RLBench's do as far as that is known without its
scene file.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from fvm_envs.manipulation import panda
from fvm_envs.manipulation.mjcf import WOOD, Vector, element

if TYPE_CHECKING:
    import mujoco

TABLE_TOP = 0.75
BOUNDS = (-0.3, -0.5, 0.6, 0.7, 0.5, 1.6)
"""The workspace, low corner and high corner, m."""
CAMERAS = ("front", "left_shoulder", "right_shoulder", "wrist", "overhead")
TIMESTEP_S = 0.002

_TARGET = (0.2, 0.0, 0.87)
# Position and field of view of the fixed cameras.
_STANDS: dict[str, tuple[Vector, Vector, float]] = {
    "front": ((1.35, 0.0, 1.58), (0.12, 0.0, 0.97), 44.0),
    "left_shoulder": ((-0.12, 0.85, 1.55), _TARGET, 60.0),
    "right_shoulder": ((-0.12, -0.85, 1.55), _TARGET, 60.0),
    # A little forward, where the arm at home does not hide the workspace.
    "overhead": ((0.75, 0.0, 1.95), (0.24, 0.0, 0.75), 45.0),
}
# Widely separated for a pad, a rim and a handle; the settings that held where others slipped are in the docs.
_OPTION = (
    f'<option timestep="{TIMESTEP_S}" integrator="implicitfast" cone="elliptic" impratio="5" solver="Newton" '
    'iterations="30" ls_iterations="30" tolerance="1e-8"/>'
)
_VISUAL = (
    '<visual><global offwidth="640" offheight="640"/><quality shadowsize="1024" offsamples="4"/>'
    '<headlight ambient=".35 .35 .35" diffuse=".35 .35 .35" specular="0 0 0"/>'
    '<map zfar="10"/></visual>'
)


def _look_at(pos: Vector, target: Vector) -> list[float]:
    """MuJoCo's `xyaxes` of a camera that looks from `pos` at `target`."""
    back = np.subtract(pos, target)
    back = back / np.linalg.norm(back)
    right = np.cross((0.0, 0.0, 1.0), back)
    right = right / np.linalg.norm(right)
    return [*right, *np.cross(back, right)]


def _room() -> str:
    def block(size: Vector, pos: Vector, colour: Vector, kind: str = "box") -> str:
        return element("geom", type=kind, class_="room", size=size, pos=pos, rgba=(*colour, 1.0))

    legs = "".join(
        block((0.035, 0.35), (x, y, 0.35), (0.4, 0.28, 0.17), "cylinder")
        for x in (-0.4, 0.8)
        for y in (-0.6, 0.6)
    )
    top = element(
        "geom",
        name="table",
        type="box",
        class_="object",
        size=(0.7, 0.7, 0.025),
        pos=(0.2, 0, 0.725),
        rgba=(*WOOD, 1.0),
    )
    walls = "".join(
        block(size, pos, (0.82, 0.84, 0.85))
        for size, pos in (
            ((0.02, 3, 1.5), (-1.6, 0, 1.5)),
            ((0.02, 3, 1.5), (3, 0, 1.5)),
            ((3, 0.02, 1.5), (0.5, 2.2, 1.5)),
            ((3, 0.02, 1.5), (0.5, -2.2, 1.5)),
        )
    )
    return block((3, 3, 0.02), (0.5, 0, -0.02), (0.5, 0.5, 0.52)) + walls + legs + top


def _cameras() -> str:
    return "".join(
        element("camera", name=name, pos=pos, xyaxes=_look_at(pos, target), fovy=fovy)
        for name, (pos, target, fovy) in _STANDS.items()
    )


def _defaults() -> str:
    return (
        "<default>"
        '<geom solref=".008 1" solimp=".95 .99 .001" friction=".8 .01 .0002" condim="3" density="300"/>'
        '<equality solref=".01 1"/>'
        '<default class="object"><geom group="1" contype="3" conaffinity="3"/></default>'
        # A bit that nobody answers: never touched, and yet in the tree that mj_multiRay searches.
        '<default class="visual"><geom group="2" contype="8" conaffinity="0" mass="0"/></default>'
        '<default class="room"><geom group="2" contype="8" conaffinity="0"/></default>'
        f"{panda.defaults()}</default>"
    )


def mjcf(objects: str, graspable: Sequence[str] = (), *, equality: str = "", contact: str = "") -> str:
    """The model of a task.

    Args:
        objects: Its bodies.
        graspable: Bodies that the hand may hold; each gets a weld to it, off at first.
        equality: More equalities.
        contact: Pairs that do not touch.
    """
    welds = "".join(
        element("weld", name=f"grasp:{name}", body1="hand", body2=name, active="false", solref=(0.004, 1.0))
        for name in graspable
    )
    light = (
        '<light pos=".4 -.5 2.8" dir="-.1 .25 -1" directional="true" castshadow="true" '
        'diffuse=".45 .45 .45" specular=".1 .1 .1"/>'
    )
    return (
        '<mujoco model="fvm"><compiler angle="radian" autolimits="false" eulerseq="XYZ"/>'
        f"{_OPTION}{_VISUAL}{_defaults()}"
        f"<worldbody>{light}{_room()}{_cameras()}{panda.body()}{objects}</worldbody>"
        f"<contact>{contact}</contact>"
        f"<equality>{panda.coupling()}{welds}{equality}</equality>"
        f"<actuator>{panda.actuators()}</actuator></mujoco>"
    )


def engine() -> ModuleType:
    """The module `mujoco`, imported when it is first needed.

    Raises:
        ImportError: If it is not installed.
    """
    try:
        import mujoco
    except ImportError as error:
        raise ImportError(
            "the manipulation tasks need MuJoCo: pip install 'fvm-envs[manipulation]'"
        ) from error
    return mujoco  # type: ignore[no-any-return]


def compile_model(xml: str) -> mujoco.MjModel:
    """The compiled model."""
    return engine().MjModel.from_xml_string(xml)
