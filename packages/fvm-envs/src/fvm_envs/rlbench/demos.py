"""Demonstrations that RLBench's own waypoints give in CoppeliaSim, read as those of `fvm_envs.manipulation`.

CoppeliaSim's states cannot be kept, so pictures are: of the keyframes and of every tenth frame, where ARM
starts episodes from a demonstration. All of a demonstration's would be some 50 MB for each camera.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fvm_envs.manipulation.demos import actions_of
from fvm_envs.manipulation.observation import (
    EPISODE_LENGTH,
    Observation,
    ObservationConfig,
    remaining_time,
)
from fvm_envs.rlbench.env import Simulators
from fvm_envs.rlbench.slot import RLBenchSlot


@dataclass(frozen=True)
class RecordedDemo:
    """One demonstration of T frames, to be used as `manipulation.Demo` is.

    Attributes:
        task: Its name.
        variation: Its variation.
        config: Which pictures were recorded.
        frames: Proprioception under RLBench's names, float32 [T, ...].
        keyframes: Indices of the frames an agent should go to, ascending.
        observations: By index, of the keyframes and some more.
    """

    task: str
    variation: int
    config: ObservationConfig
    frames: dict[str, NDArray[np.float32]]
    keyframes: tuple[int, ...]
    observations: dict[int, Observation]

    def __len__(self) -> int:
        return len(self.frames["gripper_open"])

    @property
    def actions(self) -> NDArray[np.float32]:
        """The macro actions [k, 8] that lead from one keyframe to the next."""
        return actions_of(self.frames, self.keyframes)

    def observation(
        self,
        frame: int,
        config: ObservationConfig | None = None,
        simulator: None = None,
        time: float | None = None,
    ) -> Observation:
        """The observation of a frame, as it was recorded.

        Args:
            frame: Its index.
            config: Which pictures: those that were recorded, if given.
            simulator: None; `manipulation.Demo` renders on one.
            time: What the observation says of it; by default what an agent sees that has done the actions of
                all keyframes up to this frame, in an episode of 10.

        Raises:
            ValueError: If no such pictures were recorded of this frame.
        """
        if config is not None and config != self.config:
            raise ValueError(f"the demonstration was recorded with {self.config}: give that, not {config}")
        if frame not in self.observations:
            raise ValueError(
                f"no pictures were recorded of frame {frame}: only of {sorted(self.observations)}; "
                "get_demos(..., picture_every=1) records all"
            )
        if time is None:
            time = remaining_time(sum(keyframe <= frame for keyframe in self.keyframes), EPISODE_LENGTH)
        return {**self.observations[frame], "time": np.array([time], dtype=np.float32)}


def get_demos(
    task: str,
    n: int,
    seed: int,
    *,
    variation: int = 0,
    config: ObservationConfig | None = None,
    picture_every: int = 10,
) -> Sequence[RecordedDemo]:
    """Demonstrations of fresh episodes of RLBench, played in a CoppeliaSim of their own.

    Args:
        task: Name of the task.
        n: How many.
        seed: Seeds the episodes.
        variation: Of the task.
        config: Which pictures to record; the front camera's by default.
        picture_every: Record pictures of every so many frames, besides those of the keyframes.

    Raises:
        ImportError: If RLBench, PyRep or CoppeliaSim is missing.
        ValueError: If RLBench has no such task or variation.
        RuntimeError: If RLBench cannot demonstrate it, or the simulator keeps dying.
    """
    config = config or ObservationConfig()
    simulators = Simulators(functools.partial(RLBenchSlot, config, 1, False), 1)
    demos = []
    try:
        for child in np.random.SeedSequence(seed).spawn(n):
            simulators.call("seed", {0: (child.generate_state(4).tolist(),)})
            recorded = simulators.call("demo", {0: (task, variation, picture_every)})[0]
            demos.append(RecordedDemo(task, variation, config, **recorded))
    finally:
        simulators.close()
    return demos
