"""World points from depth and camera, so that a replay may keep depth alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def points(
    depth: NDArray[Any], extrinsics: NDArray[Any], intrinsics: NDArray[Any], *, dtype: Any = np.float32
) -> NDArray[Any]:
    """The world point that each pixel shows, `dtype` [..., H, W, 3], m.

    `points(obs["front_depth"], obs["front_camera_extrinsics"], obs["front_camera_intrinsics"])` is
    `obs["front_point_cloud"]` to within float32's rounding. OpenCV's convention: the pixel in column u and
    row v shows along K^-1 (u + .5, v + .5, 1), and depth is along the camera's z.

    Args:
        depth: Metres along the camera's axis, [..., H, W].
        extrinsics: Camera to world, [..., 4, 4].
        intrinsics: K, [..., 3, 3].
        dtype: Of the result; the sums are float64.

    Raises:
        ValueError: If the shapes are no pictures with a matrix each.
    """
    depth, pose, k = (np.asarray(part, dtype=np.float64) for part in (depth, extrinsics, intrinsics))
    lead = depth.shape[:-2]
    if depth.ndim < 2 or pose.shape != (*lead, 4, 4) or k.shape != (*lead, 3, 3):
        raise ValueError(
            f"depth {depth.shape}, extrinsics {pose.shape}, intrinsics {k.shape}: "
            "expected [..., H, W], [..., 4, 4] and [..., 3, 3]"
        )
    height, width = depth.shape[-2:]
    u, v = np.arange(width) + 0.5, np.arange(height) + 0.5
    x = (u - k[..., 0, 2, None]) / k[..., 0, 0, None]  # [..., W]
    y = (v - k[..., 1, 2, None]) / k[..., 1, 1, None]  # [..., H]
    right, down, ahead, position = (pose[..., None, None, :3, i] for i in range(4))  # [..., 1, 1, 3]
    ray = x[..., None, :, None] * right + y[..., :, None, None] * down + ahead
    world: NDArray[Any] = (position + depth[..., None] * ray).astype(dtype)
    return world
