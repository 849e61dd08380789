"""Keyframe transitions, as columns; and as a context encoder takes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fvm_learners.c2f_arm.views import Eye, Views

COLUMNS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "frame": (np.int32, ()),
    "next_frame": (np.int32, ()),
    "action": (np.float32, (8,)),
    "reward": (np.float32, ()),
    "done": (np.bool_, ()),
    "time": (np.float32, ()),
    "next_time": (np.float32, ()),
    "demonstrated": (np.bool_, ()),
    "from_demo": (np.bool_, ()),
}


@dataclass(frozen=True)
class Transitions:
    """Transitions [B]; frames are rows of their replay.

    Attributes:
        frame: [B] acted on.
        next_frame: [B] led to; of no use where `done`.
        action: [B, 8] position in m, quaternion xyzw, gripper open.
        reward: [B].
        done: [B] whether there is no value beyond.
        time: [B] of `frame`, from 1 at an episode's start to -1.
        next_time: [B] of `next_frame`.
        demonstrated: [B] whether it is to be imitated.
        from_demo: [B] whether it comes from a demonstration.
    """

    frame: NDArray[np.int32]
    next_frame: NDArray[np.int32]
    action: NDArray[np.float32]
    reward: NDArray[np.float32]
    done: NDArray[np.bool_]
    time: NDArray[np.float32]
    next_time: NDArray[np.float32]
    demonstrated: NDArray[np.bool_]
    from_demo: NDArray[np.bool_]


@dataclass(frozen=True)
class Context:
    """Transitions [K] for a context encoder: views acted on, action [K, 8], reward [K]."""

    views: Views
    action: NDArray[np.float32]
    reward: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.reward)


def empty_views(eye: Eye) -> Views:
    """No views."""
    cameras, pixels = len(eye.cameras), eye.height * eye.width
    return Views(
        np.zeros((0, cameras, 3, pixels), np.uint8),
        np.zeros((0, cameras, pixels), np.float32),
        np.zeros((0, cameras, 4, 4), np.float32),
        np.zeros((0, cameras, 3, 3), np.float32),
        np.zeros((0, eye.num_low_dim), np.float32),
    )
