"""Plans for the arm in RLBench's order: a straight line of the tip, a line of the joints, RRT-Connect.

A plan is an array [n, 7] of joint positions. Collisions are looked at only if a test for them is given.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from fvm_envs.manipulation.kinematics import HOME, LOWER, UPPER, Arm
from fvm_envs.manipulation.rotation import Array, rotation_vector, turn_about

Collides = Callable[[Array], bool]

LINE_SPACING_M = 0.02
LINE_SPACING_RAD = 0.1
LARGEST_JUMP_RAD = 0.5
NUM_SEEDS = 10
EDGE_RAD = 0.04
"""Spacing of collision checks on an edge; at .08 the arm clipped furniture."""
TREE_STEP_RAD = 0.35
TREE_ITERATIONS = 300
SHORTCUTS = 40


class Planner:
    """Plans paths of the arm to a pose of the tip."""

    def __init__(self) -> None:
        self.arm = Arm()

    def plan(
        self,
        start: Array,
        position: Array,
        matrix: Array,
        rng: np.random.Generator,
        collides: Collides | None = None,
    ) -> Array | None:
        """Joint positions [n, 7] from `start` (left out) to the pose, or None if it cannot be reached.

        With a collision test: None as well if no way round the obstacles was found.
        """
        if not self.arm.within_reach(position, matrix):
            return None
        line = self.line(start, position, matrix)
        if line is not None and (collides is None or not any(collides(joints) for joints in line)):
            return line
        ends = [] if line is None else [line[-1]]
        ends += self.ends(start, position, matrix, rng, num_seeds=NUM_SEEDS)
        if collides is None:
            return np.stack([ends[0]]) if ends else None
        free = [end for end in ends if not collides(end)]
        for end in free:
            if not _edge_collides(start, end, collides):
                return np.stack([end])
        for end in free[:2]:
            path = _rrt_connect(start, end, rng, collides)
            if path is not None:
                return _shortened(path, rng, collides)[1:]
        return None

    def line(self, start: Array, position: Array, matrix: Array) -> Array | None:
        """The straight line of the tip, orientation turned evenly, or None where the arm cannot follow."""
        at, orientation = self.arm.pose(start)
        vector = rotation_vector(matrix @ orientation.T)
        turn = float(np.linalg.norm(vector))
        distance = float(np.linalg.norm(position - at))
        num = max(1, math.ceil(distance / LINE_SPACING_M), math.ceil(turn / LINE_SPACING_RAD))
        path, joints = [], start
        for i in range(1, num + 1):
            fraction = i / num
            goal = matrix if i == num else turn_about(vector * fraction) @ orientation
            found = self.arm.solve(joints, at + (position - at) * fraction, goal, iterations=20)
            if found is None or float(np.abs(found - joints).max()) > LARGEST_JUMP_RAD:
                return None
            path.append(found)
            joints = found
        return np.stack(path)

    def ends(
        self, start: Array, position: Array, matrix: Array, rng: np.random.Generator, num_seeds: int
    ) -> list[Array]:
        """Joint positions that reach the pose, the nearest to `start` first."""
        found = []
        for i in range(num_seeds):
            seed = start if i == 0 else HOME if i == 1 else rng.uniform(LOWER, UPPER)
            joints = self.arm.solve(seed, position, matrix)
            if joints is not None:
                found.append(joints)
                if i < 2 and float(np.abs(joints - start).max()) < 1.0:
                    break
        return sorted(found, key=lambda joints: float(np.linalg.norm(joints - start)))


def _edge_collides(start: Array, end: Array, collides: Collides) -> bool:
    num = max(1, math.ceil(float(np.abs(end - start).max()) / EDGE_RAD))
    return any(collides(start + (end - start) * (i / num)) for i in range(1, num + 1))


def _rrt_connect(
    start: Array, end: Array, rng: np.random.Generator, collides: Collides
) -> list[Array] | None:
    """A path between two trees that grow towards each other (Kuffner and LaValle 2000)."""
    trees = ([start], [end])
    parents: tuple[list[int], list[int]] = ([-1], [-1])
    grown = 0
    for _ in range(TREE_ITERATIONS):
        sample = rng.uniform(LOWER, UPPER)
        new = _grow(trees[grown], parents[grown], sample, collides)
        if new is not None:
            other = 1 - grown
            while (node := _grow(trees[other], parents[other], trees[grown][new], collides)) is not None:
                if float(np.abs(trees[other][node] - trees[grown][new]).max()) < 1e-9:
                    halves = [
                        _branch(trees[side], parents[side], node if side == other else new) for side in (0, 1)
                    ]
                    return halves[0][::-1] + halves[1][1:]
        grown = 1 - grown
    return None


def _grow(tree: list[Array], parents: list[int], towards: Array, collides: Collides) -> int | None:
    """The index of a new node one step nearer to `towards`, or None if something is in the way."""
    nodes = np.stack(tree)
    nearest = int(np.argmin(np.square(nodes - towards).sum(axis=1)))
    way = towards - tree[nearest]
    size = float(np.abs(way).max())
    if size < 1e-9:
        return None
    node = towards if size <= TREE_STEP_RAD else tree[nearest] + way * (TREE_STEP_RAD / size)
    if _edge_collides(tree[nearest], node, collides):
        return None
    tree.append(node)
    parents.append(nearest)
    return len(tree) - 1


def _branch(tree: list[Array], parents: list[int], node: int) -> list[Array]:
    """The nodes from `node` back to the root."""
    path = []
    while node >= 0:
        path.append(tree[node])
        node = parents[node]
    return path


def _shortened(path: list[Array], rng: np.random.Generator, collides: Collides) -> Array:
    for _ in range(SHORTCUTS):
        if len(path) < 3:
            break
        first, last = sorted(int(i) for i in rng.choice(len(path), size=2, replace=False))
        if last - first > 1 and not _edge_collides(path[first], path[last], collides):
            path = path[: first + 1] + path[last:]
    return np.stack(path)
