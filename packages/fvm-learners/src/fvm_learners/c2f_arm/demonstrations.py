"""Demonstrations as C2F-ARM learns from them: one becomes many short episodes from keyframe to keyframe."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fvm_learners.c2f_arm.config import C2FARMConfig
from fvm_learners.c2f_arm.keyframes import keyframes_of, merged
from fvm_learners.config_checks import is_count

if TYPE_CHECKING:
    from fvm_learners.c2f_arm.replay import ArmReplay
    from fvm_learners.c2f_arm.views import Views

FRAMES = ("gripper_pose", "gripper_open", "joint_velocities")


class Recorded(Protocol):
    """A demonstration as environments keep it, `fvm_envs.manipulation.Demo` among them."""

    @property
    def frames(self) -> Mapping[str, NDArray[Any]]: ...  # noqa: D102

    @property
    def keyframes(self) -> Sequence[int]: ...  # noqa: D102

    def observation(self, frame: int, *, time: float) -> Mapping[str, Any]: ...  # noqa: D102


@dataclass(frozen=True)
class Demonstration:
    """One demonstration of T frames.

    Attributes:
        frames: "gripper_pose" [T, 7] (m, quaternion xyzw), "gripper_open" [T] or [T, 1] (0 or 1),
            "joint_velocities" [T, J] rad/s.
        observe: `(frame, time) -> observation`, as the environment gives them; `time` runs from 1 at an
            episode's start to -1 at its end.
        solved_by: `actions [k, 8] -> bool`, whether these solve its episode from the start; None if that
            cannot be tried.
        keyframes: Indices, taken as they are; None to look for them.
    """

    frames: Mapping[str, NDArray[Any]]
    observe: Callable[[int, float], Mapping[str, Any]]
    solved_by: Callable[[NDArray[np.float64]], bool] | None = None
    keyframes: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        """Check frames and keyframes.

        Raises:
            ValueError: Frames are missing, fewer than two, misshapen, no poses, or of a gripper that is
                neither open nor closed; keyframes are not among them.
        """
        missing = [name for name in FRAMES if name not in self.frames]
        if missing:
            raise ValueError(f"a demonstration's frames lack {', '.join(missing)}")
        if len(self) < 2:
            raise ValueError(f"a demonstration of {len(self)} frames: it needs a start and an end")
        self._check_frames()
        if self.keyframes is not None:
            self._check_keyframes(self.keyframes)

    def _check_frames(self) -> None:
        num = len(self)
        shapes = {name: np.shape(self.frames[name]) for name in FRAMES}
        pose, opened, velocities = shapes.values()
        if pose != (num, 7) or opened not in ((num,), (num, 1)) or velocities[:1] != (num,):
            told = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
            raise ValueError(
                f"a demonstration's frames have shapes {told}: give [T, 7], [T] or [T, 1], and [T, J]"
            )
        poses = np.asarray(self.frames["gripper_pose"], dtype=np.float64)
        if not np.isfinite(poses).all() or not (np.abs(poses[:, 3:]).max(axis=1) > 0).all():
            raise ValueError(
                "a demonstration's gripper_pose holds what is no pose: give finite numbers, and quaternions "
                "xyzw that are not zero"
            )
        if not np.isin(self.frames["gripper_open"], (0, 1)).all():
            raise ValueError(
                "a demonstration's gripper_open holds other numbers than 0 (closed) and 1 (open), where each "
                "change would be a keyframe: say from which width on it counts as open"
            )
        if not np.isfinite(self.frames["joint_velocities"]).all():
            raise ValueError("a demonstration's joint_velocities are not finite: give rad/s")

    def _check_keyframes(self, keyframes: Sequence[int]) -> None:
        whole = all(is_count(frame) for frame in keyframes)
        if not (keyframes and whole and keyframes[-1] < len(self) and sorted(set(keyframes)) == [*keyframes]):
            raise ValueError(
                f"keyframes={tuple(keyframes)} of a demonstration of {len(self)} frames: give at least one "
                f"index, from 1 to {len(self) - 1}, ascending"
            )

    @classmethod
    def of(cls, recorded: Recorded) -> Demonstration:
        """Returns a recorded demonstration as C2F-ARM learns from it, with the keyframes it has.

        Raises:
            TypeError: It lacks frames, keyframes or observations.
        """
        if lacking := [
            name for name in ("frames", "keyframes", "observation") if not hasattr(recorded, name)
        ]:
            raise TypeError(
                f"a {type(recorded).__name__} is no recorded demonstration: it has no {', '.join(lacking)}"
            )

        def observe(frame: int, time: float) -> Mapping[str, Any]:
            return recorded.observation(frame, time=time)

        return cls(recorded.frames, observe, keyframes=tuple(recorded.keyframes))

    def __len__(self) -> int:
        return len(self.frames["gripper_pose"])

    def actions(self, keyframes: tuple[int, ...]) -> NDArray[np.float64]:
        """The pose actions [k, 8] that lead to these frames."""
        chosen = list(keyframes)
        opened = np.asarray(self.frames["gripper_open"], dtype=np.float64).reshape(-1, 1)
        poses = np.asarray(self.frames["gripper_pose"], dtype=np.float64)
        return np.concatenate([poses[chosen], opened[chosen]], axis=1)

    def chosen_keyframes(self, *, merge: bool) -> tuple[int, ...]:
        """Its keyframes; merged if asked to and if what is left still solves its episode."""
        if self.keyframes is not None:
            return self.keyframes
        opened = np.asarray(self.frames["gripper_open"]).reshape(-1)
        found = keyframes_of(opened, np.asarray(self.frames["joint_velocities"]))
        if not merge:
            return found
        fewer = merged(found, self.frames["gripper_pose"])
        if fewer == found or self.solved_by is None or self.solved_by(self.actions(fewer)):
            return fewer
        return found


@dataclass(frozen=True)
class Move:
    """One transition of a demonstration: from one frame to another, at some step of an episode.

    Attributes:
        frame: Acted on.
        to: Led to.
        step: Of the episode, from 0.
        last: Whether it solves the task.
    """

    frame: int
    to: int
    step: int
    last: bool


def moves_of(keyframes: tuple[int, ...], start_every: int) -> list[Move]:
    """The transitions of episodes from every `start_every`-th frame through all later keyframes."""
    moves = []
    for start in range(0, keyframes[-1], start_every):
        path = [start, *(frame for frame in keyframes if frame > start)]
        moves += [
            Move(frame, to, step, step == len(path) - 2)
            for step, (frame, to) in enumerate(itertools.pairwise(path))
        ]
    return moves


def insert(
    demonstration: Demonstration, replay: ArmReplay, config: C2FARMConfig, episode_length: int
) -> None:
    """Put a demonstration into a replay: its frames once, its episodes' transitions.

    Raises:
        TypeError: It is no `Demonstration`, or its pictures are not uint8.
        ValueError: There is no room, its observations are of other cameras, or a keyframe lies off the grid.
            The replay is as it was.
    """
    if not isinstance(demonstration, Demonstration):
        raise TypeError(
            f"a demonstration is a {type(demonstration).__name__}: give Demonstration.of(demo) for one that "
            "an environment has recorded, or make a Demonstration"
        )
    horizon = max(1, episode_length - 1)
    keyframes = demonstration.chosen_keyframes(merge=config.merge_keyframes)
    actions = dict(zip(keyframes, demonstration.actions(keyframes), strict=True))
    check_positions(actions, config)
    moves = moves_of(keyframes, config.start_every)
    seen: dict[int, Views] = {}
    for frame in sorted({frame for move in moves for frame in (move.frame, move.to)}):
        shown = demonstration.observe(frame, 1.0)
        seen[frame] = replay.eye.read({name: np.asarray(part)[None] for name, part in shown.items()})
    replay.check_pinned(len(seen))
    rows = {frame: replay.write(views, pinned=True)[0] for frame, views in seen.items()}
    for move in moves:
        replay.append_demonstration(
            rows[move.frame],
            rows[move.to],
            actions[move.to],
            float(move.last),
            done=move.last,
            time=max(-1.0, 1.0 - 2.0 * move.step / horizon),
            next_time=max(-1.0, 1.0 - 2.0 * (move.step + 1) / horizon),
        )


def check_positions(actions: Mapping[int, NDArray[np.float64]], config: C2FARMConfig) -> None:
    """Raises ValueError unless the positions of all keyframes' actions [8] lie within the first grid."""
    low, high = np.array(config.bounds[:3]), np.array(config.bounds[3:])
    for frame, action in actions.items():
        if ((action[:3] < low) | (action[:3] > high)).any():
            raise ValueError(
                f"keyframe {frame} of a demonstration is at {action[:3].round(3).tolist()} m, outside of "
                f"bounds={config.bounds}, so no voxel stands for it: set bounds that hold all keyframes, in "
                "the same frame of reference and in metres"
            )
