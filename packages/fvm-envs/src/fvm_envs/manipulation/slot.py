"""One slot of the vector environment: a simulator, its episode and its observation.

All that crosses a process boundary are the arguments and results of these methods: arrays, numbers and
strings.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fvm_envs.manipulation import raycast
from fvm_envs.manipulation.observation import Observation, ObservationConfig, observe, remaining_time
from fvm_envs.manipulation.rotation import Array, quaternion_of
from fvm_envs.manipulation.simulator import Simulator
from fvm_envs.manipulation.tasks import TASKS

FRAME_PIXELS = 512


@dataclass(frozen=True)
class Transition:
    """What a macro action led to."""

    reward: float
    terminated: bool
    truncated: bool
    failure: str
    obs: Observation


class Slot:
    """Plays one episode after the other.

    Args:
        config: Which pictures an observation holds.
        episode_length: Macro actions after which an episode is truncated.
        collision_checking: Plan round obstacles.
    """

    def __init__(self, config: ObservationConfig, episode_length: int, collision_checking: bool) -> None:
        self._config = config
        self._episode_length = episode_length
        self._simulator = Simulator(collision_checking=collision_checking)
        self._rng = np.random.default_rng(0)
        self._task: str | None = None
        self._steps = 0
        self._film: list[NDArray[np.uint8]] = []

    def seed(self, entropy: Sequence[int]) -> None:
        """Seed the draws of episodes."""
        self._rng = np.random.default_rng(list(entropy))

    def begin(self, task: str, variation: int, seed: int | None = None) -> Observation:
        """The first observation of a new episode, of a seed or drawn."""
        drawn = int(self._rng.integers(2**63)) if seed is None else seed
        self._simulator.reset(TASKS[task], variation, drawn)
        self._task, self._steps = task, 0
        return self.observe()

    def step(self, action: Array) -> Transition:
        """Carry out a macro action: xyz, quaternion xyzw, gripper open (more than one half) or closed."""
        outcome = self._simulator.execute(action[:3], action[3:7], bool(action[7] > 0.5))
        self._steps += 1
        terminated = outcome.success or outcome.failure != ""
        truncated = not terminated and self._steps >= self._episode_length
        return Transition(float(outcome.success), terminated, truncated, outcome.failure, self.observe())

    def observe(self) -> Observation:
        """The current observation."""
        time = remaining_time(self._steps, self._episode_length)
        return observe(self._simulator, self._config, time)

    def waypoints(self) -> NDArray[np.float64]:
        """The macro actions [k, 8] of the task's scripted demonstration, from the start of an episode."""
        world = self._simulator.world
        return np.stack(
            [
                np.concatenate([waypoint.position, quaternion_of(waypoint.matrix), [float(waypoint.open)]])
                for waypoint in world.task.demonstration(world)
            ]
        )

    def frame(self) -> NDArray[np.uint8]:
        """A picture for a video."""
        size = (FRAME_PIXELS, FRAME_PIXELS)
        return raycast.render(self._simulator.world, "front", size, shadows=True).rgb

    def film(self, every: int) -> None:
        """Keep a picture of every so many ticks of motion, .02 s each, from now on; 0 for no more."""
        ticks = itertools.count(1)

        def tick() -> None:
            if next(ticks) % every == 0:
                self._film.append(self.frame())

        self._simulator.on_tick = tick if every else None

    def developed(self) -> list[NDArray[np.uint8]]:
        """The pictures that were kept, oldest first, each given once."""
        film, self._film = self._film, []
        return film

    def state(self) -> dict[str, Any]:
        """Everything: arrays and JSON values."""
        return {
            "task": self._task,
            "steps": self._steps,
            "rng": self._rng.bit_generator.state,
            "simulator": None if self._task is None else self._simulator.state(),
        }

    def check(self, state: Mapping[str, Any]) -> None:
        """Whether `load` will take a state.

        Raises:
            ValueError: If it is damaged.
        """
        if state["task"] is not None:
            Simulator().load_state(TASKS[state["task"]], state["simulator"])

    def load(self, state: Mapping[str, Any]) -> Observation | None:
        """Go on from a saved state; its observation if an episode had begun."""
        self._rng.bit_generator.state = state["rng"]
        self._task, self._steps = state["task"], int(state["steps"])
        if self._task is None:
            return None
        self._simulator.load_state(TASKS[self._task], state["simulator"])
        return self.observe()
