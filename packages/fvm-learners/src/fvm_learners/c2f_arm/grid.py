"""Coarse-to-fine grids: a position as voxel indices, and indices as a position.

At depth 0 the grid fills the workspace's bounds. At depth d > 0 it is a cube of half side h_d about a centre
c_d, the centre of the voxel chosen at depth d - 1. An index is floor((p - low) / (cell + 1e-12)), clipped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Grids:
    """The grids of all depths.

    Attributes:
        bounds: Low and high corner at depth 0, m: 6 numbers.
        sizes: Voxels along each axis, one number a depth.
        half_sides: Of the cubes at depth 1 and later, m.
    """

    bounds: tuple[float, ...]
    sizes: tuple[int, ...]
    half_sides: tuple[float, ...]

    @property
    def depths(self) -> int:
        """Number of grids."""
        return len(self.sizes)

    def low(self, depth: int, centre: Array) -> Array:
        """Low corners [B, 3] of the grids about `centre` [B, 3], which is of no effect at depth 0."""
        if depth == 0:
            return np.broadcast_to(np.array(self.bounds[:3], dtype=np.float64), centre.shape)
        return np.asarray(centre - self.half_sides[depth - 1])

    def cell(self, depth: int) -> Array:
        """A voxel's sides [3], m."""
        if depth == 0:
            return np.asarray(np.subtract(self.bounds[3:], self.bounds[:3]) / self.sizes[0])
        return np.full(3, 2 * self.half_sides[depth - 1] / self.sizes[depth])

    def index(self, depth: int, centre: Array, position: Array) -> NDArray[np.int64]:
        """Voxels [B, 3] of positions [B, 3], the nearest voxel for one outside of its grid."""
        raw = np.floor((position - self.low(depth, centre)) / (self.cell(depth) + 1e-12))
        return np.clip(raw, 0, self.sizes[depth] - 1).astype(np.int64)

    def position(self, depth: int, centre: Array, index: NDArray[np.int64]) -> Array:
        """Centres [B, 3] of voxels [B, 3]."""
        return self.low(depth, centre) + self.cell(depth) * (index + 0.5)

    def flat(self, depth: int, index: NDArray[np.int64]) -> NDArray[np.int64]:
        """Voxels [B, 3] as one number each [B]."""
        size = self.sizes[depth]
        return (index[:, 0] * size + index[:, 1]) * size + index[:, 2]

    def unflat(self, depth: int, flat: NDArray[np.int64]) -> NDArray[np.int64]:
        """Voxels [B, 3] from one number each [B]."""
        size = self.sizes[depth]
        return np.stack([flat // (size * size), flat // size % size, flat % size], axis=1)


@dataclass(frozen=True)
class Path:
    """Where actions lie in the grids of all depths.

    Attributes:
        centres: [depths, B, 3] of the grids, m; of no effect at depth 0.
        voxels: [depths, B] flat indices.
    """

    centres: Array
    voxels: NDArray[np.int64]


def path_of(
    grids: Grids,
    position: Array,
    jitter: Array,
    *,
    guarded: bool = True,
    corner: NDArray[np.bool_] | None = None,
) -> Path:
    """The voxels of positions [B, 3] at every depth.

    Args:
        grids: Of all depths.
        position: Inside the bounds of depth 0, m.
        jitter: [depths - 1, B, 3], added to the centres of the finer grids, m.
        guarded: Move a jittered centre so that the position lies inside its grid.
        corner: [B] Whose grids have the low corner of the coarser voxel for a centre, as ARM's
            demonstrations have; None for nobody's.
    """
    centre = np.zeros_like(position)
    centres, voxels = [centre], []
    for depth in range(grids.depths):
        index = grids.index(depth, centre, position)
        voxels.append(grids.flat(depth, index))
        if depth + 1 == grids.depths:
            break
        next_centre = grids.position(depth, centre, index)
        if corner is not None:
            next_centre = next_centre - 0.5 * grids.cell(depth) * corner[:, None]
        centre = next_centre + jitter[depth]
        if guarded:
            reach = grids.half_sides[depth] * (1 - 1e-6)
            centre = np.clip(centre, position - reach, position + reach)
        centres.append(centre)
    return Path(np.stack(centres), np.stack(voxels))


def check_reach(bounds: Sequence[float], sizes: Sequence[int], half_sides: Sequence[float]) -> None:
    """Raises ValueError unless every grid covers the voxel that it refines."""
    if len(half_sides) != len(sizes) - 1:
        raise ValueError(
            f"half_sides={tuple(half_sides)} for grid_sizes={tuple(sizes)}: give one for each depth but the "
            "first"
        )
    grids = Grids(tuple(bounds), tuple(sizes), tuple(half_sides))
    for depth, half_side in enumerate(half_sides):
        if float(grids.cell(depth).max()) > 2 * half_side:
            raise ValueError(
                f"half_sides[{depth}]={half_side} m is less than half a voxel of depth {depth} "
                f"({float(grids.cell(depth).max()) / 2:.4g} m): part of each voxel could not be reached"
            )


def check_workspace(grids: Grids, workspace: Sequence[float]) -> None:
    """Raises ValueError unless acting finds a voxel in the workspace whatever it has chosen before.

    Else it would take one outside. As `scene.reachable` does it, in float32, an axis at a time.
    """
    half, bounds, box = np.float32(0.5), np.array(grids.bounds, np.float32), np.array(workspace, np.float32)
    for axis, name in enumerate("xyz"):
        centres = np.zeros(1, np.float32)
        for depth, size in enumerate(grids.sizes):
            cell = np.float32(grids.cell(depth)[axis])
            low = bounds[axis] + centres if depth == 0 else centres - np.float32(grids.half_sides[depth - 1])
            middle = low[:, None] + cell * (np.arange(size, dtype=np.float32) + half)
            margin = np.float32(0) if depth + 1 == grids.depths else half * cell
            fits = (middle + margin > box[axis]) & (middle - margin < box[3 + axis])
            if not fits.any(axis=1).all():
                raise ValueError(
                    f"workspace={tuple(workspace)}: along {name} a grid of depth {depth} within "
                    f"bounds={grids.bounds} has no voxel there, one outside would be chosen; let it reach "
                    f"over at least {cell:.4g} m of the bounds, or use larger half_sides or workspace=None"
                )
            centres = np.unique(middle[fits])
