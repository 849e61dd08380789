"""Observations under RLBench's names: pictures of chosen cameras and what the robot feels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

import gymnasium as gym
import numpy as np

from fvm_envs.manipulation import panda, raycast
from fvm_envs.manipulation.scene import CAMERAS
from fvm_envs.manipulation.simulator import Simulator

Observation = dict[str, Any]

MAX_PIXELS = 4096
"""Of a picture's side."""
EPISODE_LENGTH = 10
"""RLBench's and ARM's: phone_on_base, whose demonstrations have most keyframes, has eight, or five merged."""

_PROPRIOCEPTION: dict[str, tuple[int, float, float]] = {
    "gripper_pose": (7, -10.0, 10.0),
    "gripper_open": (1, 0.0, 1.0),
    "gripper_joint_positions": (2, 0.0, panda.OPEN),
    "joint_positions": (panda.NUM_JOINTS, -10.0, 10.0),
    "joint_velocities": (panda.NUM_JOINTS, -100.0, 100.0),
    "time": (1, -1.0, 1.0),
}


@dataclass(frozen=True, kw_only=True)
class ObservationConfig:
    """Which pictures an observation holds.

    Args:
        cameras: Names out of `scene.CAMERAS`.
        image_size: Height and width, pixels.
        rgb: `<camera>_rgb`, uint8 [H, W, 3].
        depth: `<camera>_depth`, float32 [H, W], metres along the camera's axis.
        point_cloud: `<camera>_point_cloud`, float32 [H, W, 3], in the world.
        shadows: Draw the lamp's shadows, at twice the time.
        renderer: "ray" casts rays and needs nothing; "gl" draws RGB with OpenGL, where that is installed.

    Raises:
        ValueError: If there is no such camera or renderer, or a picture has no pixel.
    """

    cameras: tuple[str, ...] = ("front",)
    image_size: tuple[int, int] = (128, 128)
    rgb: bool = True
    depth: bool = True
    point_cloud: bool = True
    shadows: bool = False
    renderer: Literal["ray", "gl"] = "ray"

    def __post_init__(self) -> None:
        unknown = [camera for camera in self.cameras if camera not in CAMERAS]
        if unknown:
            raise ValueError(f"there are no cameras {unknown}: the cameras are {', '.join(CAMERAS)}")
        if len(set(self.cameras)) < len(self.cameras):
            raise ValueError(f"cameras {self.cameras}: name each once")
        if len(self.image_size) != 2 or not all(1 <= side <= MAX_PIXELS for side in self.image_size):
            raise ValueError(
                f"image_size is {self.image_size}: give height and width, 1 to {MAX_PIXELS} pixels each"
            )
        if self.renderer not in ("ray", "gl"):
            raise ValueError(f"renderer is {self.renderer!r}: expected 'ray' or 'gl'")

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> ObservationConfig:
        """Returns the pictures that a vector env's options ask for; other options are left alone.

        One number for `image_size` is both sides; lists, as JSON has them, are tuples.
        """
        given = {field.name: options[field.name] for field in fields(cls) if field.name in options}
        if "image_size" in given:
            size = given["image_size"]
            given["image_size"] = (size, size) if isinstance(size, int) else tuple(size)
        if "cameras" in given:
            given["cameras"] = tuple(given["cameras"])
        return cls(**given)

    def space(self) -> gym.spaces.Dict:
        """The space of one observation."""
        height, width = self.image_size
        spaces: dict[str, gym.Space[Any]] = {
            name: gym.spaces.Box(low, high, (size,), np.float32)
            for name, (size, low, high) in _PROPRIOCEPTION.items()
        }
        for camera in self.cameras:
            if self.rgb:
                spaces[f"{camera}_rgb"] = gym.spaces.Box(0, 255, (height, width, 3), np.uint8)
            if self.depth:
                spaces[f"{camera}_depth"] = gym.spaces.Box(0.0, raycast.FAR_M, (height, width), np.float32)
            if self.point_cloud:
                spaces[f"{camera}_point_cloud"] = gym.spaces.Box(-20.0, 20.0, (height, width, 3), np.float32)
            spaces[f"{camera}_camera_extrinsics"] = gym.spaces.Box(-10.0, 10.0, (4, 4), np.float32)
            spaces[f"{camera}_camera_intrinsics"] = gym.spaces.Box(0.0, 1e5, (3, 3), np.float32)
        return gym.spaces.Dict(spaces)


def observe(simulator: Simulator, config: ObservationConfig, time: float) -> Observation:
    """What robot and cameras see now, new arrays.

    Args:
        simulator: With a task on its table.
        config: Which pictures.
        time: From 1 at an episode's start to -1 at its end.
    """
    world = simulator.world
    obs: Observation = dict(simulator.proprioception())
    obs["time"] = np.array([time], dtype=np.float32)
    for camera in config.cameras:
        if config.rgb or config.depth or config.point_cloud:
            picture = raycast.render(world, camera, config.image_size, shadows=config.shadows)
            if config.rgb:
                obs[f"{camera}_rgb"] = picture.rgb
            if config.depth:
                obs[f"{camera}_depth"] = picture.depth
            if config.point_cloud:
                obs[f"{camera}_point_cloud"] = picture.points
        obs[f"{camera}_camera_extrinsics"] = raycast.extrinsics(world, camera)
        obs[f"{camera}_camera_intrinsics"] = raycast.intrinsics(world, camera, config.image_size)
    if config.renderer == "gl" and config.rgb:
        from fvm_envs.manipulation import gl

        for camera in config.cameras:
            obs[f"{camera}_rgb"] = gl.render(world, camera, config.image_size, shadows=config.shadows)
    return obs


def remaining_time(step: int, episode_length: int) -> float:
    """Returns 1 at the start, -1 when one step is left, as ARM writes it into its observations."""
    return max(-1.0, 1.0 - 2.0 * step / max(1, episode_length - 1))
