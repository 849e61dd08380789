"""What C2F-ARM takes of a Dict observation: its cameras' pictures and the low-dimensional state.

A picture is kept as uint8 colours and float32 depth, 115 KB at 128 x 128, from which its points follow. Where
an environment gives `<camera>_point_cloud` without `<camera>_depth`, depth is worked out from the points.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from fvm_learners.c2f_arm.config import C2FARMConfig

Float = NDArray[np.float32]


@dataclass(frozen=True)
class Views:
    """B observations.

    Attributes:
        rgb: Colours, uint8 [B, C, 3, P], of C cameras' P pixels.
        depth: [B, C, P] along the camera's axis, m.
        extrinsics: [B, C, 4, 4] camera to world.
        intrinsics: [B, C, 3, 3].
        low_dim: [B, D].
    """

    rgb: NDArray[np.uint8]
    depth: Float
    extrinsics: Float
    intrinsics: Float
    low_dim: Float

    def __len__(self) -> int:
        return len(self.low_dim)

    def __getitem__(self, rows: Any) -> Views:
        """Those rows, a view or a copy as numpy has it."""
        return Views(*(getattr(self, name)[rows] for name in FIELDS))


FIELDS = ("rgb", "depth", "extrinsics", "intrinsics", "low_dim")


@dataclass(frozen=True)
class Eye:
    """How observations of one environment are read.

    Attributes:
        cameras: Names.
        low_dim: Names.
        height: Of pictures, pixels.
        width: Of pictures, pixels.
        sizes: Numbers that each of `low_dim` has.
        from_points: Whether depth is worked out from point clouds.
    """

    cameras: tuple[str, ...]
    low_dim: tuple[str, ...]
    height: int
    width: int
    sizes: tuple[int, ...]
    from_points: bool

    @classmethod
    def of(cls, space: spaces.Space[Any], config: C2FARMConfig) -> Eye:
        """For the observations of `space`.

        Raises:
            TypeError: It is no Dict, or its pictures are not uint8.
            ValueError: A camera or a part of the low-dimensional state is not in it.
        """
        if not isinstance(space, spaces.Dict):
            raise TypeError(f"observation space {space}: C2F-ARM needs a Dict with cameras")
        parts = space.spaces
        shown = sorted(name.removesuffix("_rgb") for name in parts if name.endswith("_rgb"))
        for camera in config.cameras:
            if f"{camera}_rgb" not in parts:
                raise ValueError(
                    f"there is no camera {camera!r}: the observations have {', '.join(shown) or 'none'}; set "
                    "cameras=... to some of these, or make the environment with that camera"
                )
        from_points = any(f"{camera}_depth" not in parts for camera in config.cameras)
        for camera in config.cameras:
            depth = f"{camera}_point_cloud" if from_points else f"{camera}_depth"
            geometry = [f"{camera}_camera_extrinsics", f"{camera}_camera_intrinsics", depth]
            missing = [name for name in geometry if name not in parts]
            if missing:
                raise ValueError(
                    f"the observations have {camera}_rgb but not {', '.join(missing)}: depth (or a point "
                    "cloud) and the camera's matrices are needed to place its pixels in space"
                )
        unknown = [name for name in config.low_dim if name not in parts]
        if unknown:
            raise ValueError(
                f"low_dim={config.low_dim}: the observations have no {', '.join(unknown)}; leave it out"
            )
        shapes = [parts[f"{camera}_rgb"].shape for camera in config.cameras]
        size = shapes[0] or ()
        if len(size) != 3 or any(shape != (*size[:2], 3) for shape in shapes):
            raise ValueError(
                f"pictures of {', '.join(config.cameras)} have shapes {', '.join(map(str, shapes))}: make "
                "them all alike, [height, width, 3]"
            )
        for camera in config.cameras:
            _check_colours(f"{camera}_rgb", parts[f"{camera}_rgb"].dtype)
        height, width = size[:2]
        return cls(
            config.cameras,
            config.low_dim,
            height,
            width,
            tuple(int(np.prod(parts[name].shape or (1,))) for name in config.low_dim),
            from_points,
        )

    @property
    def nbytes(self) -> int:
        """Memory of one observation in a replay."""
        floats = self.height * self.width + 16 + 9
        return len(self.cameras) * (3 * self.height * self.width + 4 * floats) + 4 * self.num_low_dim

    @property
    def num_low_dim(self) -> int:
        """Numbers of the low-dimensional state."""
        return sum(self.sizes)

    @property
    def time(self) -> int | None:
        """Where `time` stands in the low-dimensional state; None if it is not in it."""
        if "time" not in self.low_dim:
            return None
        return sum(self.sizes[: self.low_dim.index("time")])

    def read(self, obs: Mapping[str, Any]) -> Views:
        """Copies of what is needed of observations [B, ...].

        Raises:
            TypeError: Pictures are not uint8.
            ValueError: A camera or a part of the low-dimensional state is not in them, has another size, or
                is not finite.
        """
        self._check(obs)
        batch = len(obs[f"{self.cameras[0]}_rgb"])

        def of_cameras(name: str, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
            return np.stack(
                [np.asarray(obs[f"{camera}_{name}"]).reshape(batch, *shape) for camera in self.cameras],
                axis=1,
            ).astype(dtype, copy=False)

        num = self.height * self.width
        extrinsics = of_cameras("camera_extrinsics", (4, 4), np.float32)
        if self.from_points:
            away = of_cameras("point_cloud", (num, 3), np.float32) - extrinsics[:, :, None, :3, 3]
            depth = np.einsum("bcpi,bci->bcp", away, extrinsics[:, :, :3, 2], dtype=np.float32)
        else:
            depth = of_cameras("depth", (num,), np.float32)
        told = [np.asarray(obs[name], dtype=np.float32).reshape(batch, -1) for name in self.low_dim]
        return Views(
            np.ascontiguousarray(of_cameras("rgb", (num, 3), np.uint8).swapaxes(2, 3)),
            depth,
            extrinsics,
            of_cameras("camera_intrinsics", (3, 3), np.float32),
            np.concatenate(told, axis=1) if told else np.zeros((batch, 0), dtype=np.float32),
        )

    def _check(self, obs: Mapping[str, Any]) -> None:
        num = self.height * self.width
        depth, size = ("point_cloud", 3 * num) if self.from_points else ("depth", num)
        sizes = {"rgb": 3 * num, depth: size, "camera_extrinsics": 16, "camera_intrinsics": 9}
        wanted = {f"{camera}_{part}": size for camera in self.cameras for part, size in sizes.items()}
        wanted |= dict(zip(self.low_dim, self.sizes, strict=True))
        if missing := [name for name in wanted if name not in obs]:
            raise ValueError(
                f"these observations have no {', '.join(missing)}, which this agent looks at: give them from "
                f"cameras {', '.join(self.cameras)} (they have {', '.join(sorted(obs)) or 'nothing'})"
            )
        for name, size in wanted.items():
            shape = np.shape(obs[name])
            if np.prod(shape[1:], dtype=int) != size:
                raise ValueError(
                    f"{name} has shape {shape[1:]}: this agent looks at pictures of {self.height} x "
                    f"{self.width} pixels, and {name} of {size} numbers"
                )
            if name.endswith("_rgb") and name not in self.low_dim:
                _check_colours(name, np.asarray(obs[name]).dtype)
            elif not np.isfinite(obs[name]).all():
                raise ValueError(
                    f"{name} is not finite (NaN or infinity): look for the cause in the envs, or replace it; "
                    "a pixel that shows nothing has a depth beyond all bounds, such as 100"
                )


def _check_colours(name: str, dtype: Any) -> None:
    """Raises TypeError unless a picture is of uint8: brightness from 0 to 1 would be black."""
    if dtype != np.uint8:
        raise TypeError(f"{name} is of {dtype}: give colours from 0 to 255 as uint8")


def check_actions(space: spaces.Space[Any], config: C2FARMConfig) -> None:
    """Raises ValueError unless actions are poses with a gripper, [8], in metres."""
    if not isinstance(space, spaces.Box) or space.shape != (8,):
        raise ValueError(
            f"action space {space}: C2F-ARM needs a Box of shape (8,): position, quaternion xyzw, gripper "
            "open"
        )
    scaled = bool((space.low == -1).all() and (space.high == 1).all())
    if scaled and max(map(abs, config.workspace or config.bounds)) > 1:
        raise ValueError(
            f"action space {space}, and the grids reach over {config.workspace or config.bounds} m: C2F-ARM "
            "gives positions in metres, not scaled to -1 to 1; take RescaleAction off the envs, or set bounds"
        )


@cache
def rays_of(height: int, width: int) -> Float:
    """Pixels' centres (u, v, 1), [3, height x width], row by row."""
    u, v = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    return np.stack([u.ravel(), v.ravel(), np.ones(u.size)]).astype(np.float32)


def rays_to_world(views: Views) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rotations [B, C, 3, 3] and translations [B, C, 3]: point = t + R (depth x (u, v, 1))."""
    inverse = np.linalg.inv(views.intrinsics.astype(np.float64))
    extrinsics = views.extrinsics.astype(np.float64)
    return extrinsics[:, :, :3, :3] @ inverse, extrinsics[:, :, :3, 3]
