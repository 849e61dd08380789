"""Pictures by casting a ray through each pixel: RGB, depth and world points in one pass, without any GL.

Convention, OpenCV's: a camera looks along +z, x to the right and y downwards in the picture; extrinsics are
the 4 x 4 camera-to-world matrix, intrinsics K = [[f, 0, W / 2], [0, f, H / 2], [0, 0, 1]], and the pixel in
column u and row v shows along K^-1 (u + .5, v + .5, 1). Depth is along z, in metres; a point is camera
position + depth x direction.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from fvm_envs.manipulation.rotation import Array
from fvm_envs.manipulation.world import World

FAR_M = 10.0
"""Depth of a ray that hits nothing; inside the room every ray hits something."""
_CUTOFF = 1e10
# Directions towards the lights, and shares of the light: everywhere, from the lamp, from the camera.
_LAMP = np.array([0.15, -0.35, 0.92]) / np.linalg.norm([0.15, -0.35, 0.92])
_AMBIENT, _DIFFUSE, _HEADLIGHT = 0.45, 0.38, 0.22
_SHADOW_BIAS_M, _IN_SHADOW = 5e-3, 0.35


@dataclass(frozen=True)
class Picture:
    """What a camera sees: RGB uint8 [H, W, 3], depth float32 [H, W], world points float32 [H, W, 3]."""

    rgb: NDArray[np.uint8]
    depth: NDArray[np.float32]
    points: NDArray[np.float32]


@cache
def _directions(height: int, width: int, focal: float) -> Array:
    """Directions of the pixels in the camera's frame with z = 1, [H * W, 3]."""
    x = (np.arange(width) + 0.5 - 0.5 * width) / focal
    y = (np.arange(height) + 0.5 - 0.5 * height) / focal
    grid = np.stack([*np.meshgrid(x, y), np.ones((height, width))], axis=-1)
    return grid.reshape(-1, 3)


def intrinsics(world: World, camera: str, size: tuple[int, int]) -> NDArray[np.float32]:
    """The 3 x 3 matrix K of a camera at a picture size (height, width)."""
    height, width = size
    focal = _focal(world, camera, height)
    return np.array([[focal, 0, 0.5 * width], [0, focal, 0.5 * height], [0, 0, 1]], dtype=np.float32)


def extrinsics(world: World, camera: str) -> NDArray[np.float32]:
    """The 4 x 4 camera-to-world matrix of a camera."""
    position, matrix = _pose(world, camera)
    out = np.eye(4, dtype=np.float32)
    out[:3, :3], out[:3, 3] = matrix, position
    return out


def _focal(world: World, camera: str, height: int) -> float:
    return 0.5 * height / math.tan(math.radians(float(world.model.camera(camera).fovy[0])) / 2.0)


def _pose(world: World, camera: str) -> tuple[Array, Array]:
    world.mujoco.mj_camlight(world.model, world.data)
    seen = world.data.camera(camera)
    # MuJoCo's cameras look along -z with y upwards.
    return seen.xpos.copy(), seen.xmat.reshape(3, 3) * np.array([1.0, -1.0, -1.0])


def render(
    world: World, camera: str, size: tuple[int, int] = (128, 128), *, shadows: bool = False
) -> Picture:
    """What a camera sees now.

    Args:
        world: Whose bodies' poses are up to date with their joints.
        camera: One of `scene.CAMERAS`.
        size: Height and width, pixels.
        shadows: Cast a second ray to the lamp from each point, at twice the time.
    """
    height, width = size
    position, matrix = _pose(world, camera)
    rays = _directions(height, width, _focal(world, camera, height)) @ matrix.T
    geoms, depth, normals = _cast(world, position, rays)
    points = position + rays * depth[:, None]
    lit = np.maximum(normals @ _LAMP, 0.0)
    if shadows:
        blocked = _in_shadow(world, points + normals * _SHADOW_BIAS_M)
        lit *= np.where(blocked, _IN_SHADOW, 1.0)
    facing = np.abs(np.einsum("ij,ij->i", normals, rays)) / np.sqrt(np.einsum("ij,ij->i", rays, rays))
    light = _AMBIENT + _DIFFUSE * lit + _HEADLIGHT * facing
    colours = world.colours[np.maximum(geoms, 0)].astype(np.float64) * light[:, None]
    colours[geoms < 0] = 0.0
    return Picture(
        np.minimum(np.round(colours), 255.0).astype(np.uint8).reshape(height, width, 3),
        depth.astype(np.float32).reshape(height, width),
        points.astype(np.float32).reshape(height, width, 3),
    )


def _cast(world: World, origin: Array, rays: Array) -> tuple[NDArray[np.int32], Array, Array]:
    """Geom (-1: none), distance in units of the ray, normal, of each ray [n, 3] from one point."""
    num = len(rays)
    geoms, distance, normals = np.empty(num, dtype=np.int32), np.empty(num), np.empty(3 * num)
    world.mujoco.mj_multiRay(
        world.model,
        world.data,
        origin,
        rays.ravel(),
        None,
        1,
        -1,
        geoms,
        distance,
        normals,
        num,
        _CUTOFF,
    )
    distance[geoms < 0] = FAR_M
    return geoms, distance, normals.reshape(num, 3)


def _in_shadow(world: World, points: Array) -> NDArray[np.bool_]:
    """Whether something stands between a point and the lamp, which hangs below the ceiling."""
    lamp = np.array([0.2, 0.0, 0.8]) + 2.5 * _LAMP
    geoms, distance, _ = _cast(world, lamp, points - lamp)
    shadow: NDArray[np.bool_] = (geoms >= 0) & (distance < 1.0 - 1e-3)
    return shadow
