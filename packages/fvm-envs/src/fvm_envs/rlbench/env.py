"""RLBench as a vector environment with the spaces, actions and infos of `fvm_envs.manipulation`.

Each slot has a CoppeliaSim of its own in a process of its own. A process that dies (Qt and GL end it by a
signal) is started again: the episode ends with failure "simulator crashed", and the slot begins its next one.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fvm_envs.manipulation.env import ManipulationVec
from fvm_envs.manipulation.pool import Pool, Processes
from fvm_envs.manipulation.slot import Transition
from fvm_envs.rlbench.slot import RLBenchSlot
from fvm_envs.slot_env import State
from fvm_envs.task import Task

RESTARTS = 3
"""Deaths in a row, without a step or a demonstration between them, after which the environment gives up."""
SILENCE_S = 600.0
"""A simulator that answers nothing for so long hangs, and is started again as one that died."""


class Simulators(Processes):
    """One process a slot; one that died is started again."""

    def __init__(self, make: Callable[[], Any], num_slots: int) -> None:
        super().__init__(make, num_slots, num_slots, silence_s=SILENCE_S)
        self._seeds: dict[int, tuple[Any, ...]] = {}
        self._obs: dict[int, Any] = {}
        self._deaths = dict.fromkeys(range(num_slots), 0)

    def call(self, method: str, arguments: Mapping[int, tuple[Any, ...]]) -> dict[int, Any]:
        """The result of `method` for each slot; of a step in which the simulator died, a failure."""
        if method == "seed":
            self._seeds.update(arguments)
        results, dead = self.try_call(method, arguments)
        for slot in dead:
            results[slot] = self._again(slot, method, arguments[slot])
        for slot, result in results.items():
            if method in ("step", "demo") and slot not in dead:
                self._deaths[slot] = 0
            if isinstance(result, Transition):
                self._obs[slot] = result.obs
            elif method == "begin":
                self._obs[slot] = result
        return {slot: results[slot] for slot in arguments}

    def _again(self, slot: int, method: str, argument: tuple[Any, ...]) -> Any:
        self._deaths[slot] += 1
        if self._deaths[slot] > RESTARTS:
            self.close()
            raise RuntimeError(
                f"CoppeliaSim died {self._deaths[slot]} times in a row: "
                "run fvm_envs.rlbench.check_installation(deep=True)"
            )
        self.restart(slot)
        # Another seed than before, or the same episode would kill it again.
        (entropy,) = self._seeds.get(slot, ([0],))
        self._seeds[slot] = ([*entropy, self._deaths[slot]],)
        self.try_call("seed", {slot: self._seeds[slot]})
        if method == "step":
            return Transition(0.0, True, False, "simulator crashed", self._obs[slot])
        if method == "seed":
            return None
        results, dead = self.try_call(method, {slot: argument})
        return self._again(slot, method, argument) if dead else results[slot]


class RLBenchVec(ManipulationVec):
    """Slots that play RLBench's own tasks in CoppeliaSim; arguments as of `ManipulationVec`.

    `num_processes`, `renderer` and `shadows` have no meaning here and are refused. All of RLBench's tasks can
    be played. A film shows what each action led to, not the motion.
    """

    saves_state = False

    def _make_pool(self, num_envs: int, num_processes: int) -> Pool:
        pictures = self.observation_config
        asked = {
            "num_processes": num_processes > 0,
            "renderer": pictures.renderer != "ray",
            "shadows": pictures.shadows,
        }
        if meaningless := [name for name, given in asked.items() if given]:
            raise ValueError(
                "CoppeliaSim has a process a slot and draws its own pictures: leave out "
                f"{', '.join(meaningless)}"
            )
        make = functools.partial(RLBenchSlot, *self._slot_options)
        return Simulators(make, num_envs)

    def _variation(self, task: Task) -> tuple[str, int]:
        return task.name, task.level or 0

    def waypoints(self, slot: int) -> NDArray[np.float64]:
        """Refuses: RLBench plays its scripts itself, in `fvm_envs.rlbench.get_demos`."""
        raise NotImplementedError("RLBench's own scripts are played by fvm_envs.rlbench.get_demos only")

    def own_state(self) -> State:
        """Not possible.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError("RLBench in CoppeliaSim cannot save its state: start again from a reset")

    def load_own_state(self, state: Mapping[str, Any]) -> None:
        """Not possible, as `own_state` says."""
        raise NotImplementedError("RLBench in CoppeliaSim cannot load a state: start again from a reset")
