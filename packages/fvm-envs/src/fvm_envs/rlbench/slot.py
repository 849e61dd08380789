"""One slot that plays in RLBench, in a process of its own: the methods of `fvm_envs.manipulation.slot.Slot`.

RLBench's native API is used, not its gym wrapper, which has neither point clouds nor poses as actions. It
draws everything from numpy's global generator, so that is seeded at each episode: this class belongs in a
worker. Cameras are handed over in OpenCV's convention: CoppeliaSim's look along z with x to the left and y
upwards, and RLBench writes that as negative focal lengths.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fvm_envs.manipulation.keyframes import keyframes_of
from fvm_envs.manipulation.observation import Observation, ObservationConfig, remaining_time
from fvm_envs.manipulation.scene import CAMERAS
from fvm_envs.manipulation.simulator import TICK_S
from fvm_envs.manipulation.slot import Transition

RESETS = 10
"""Resets after which a task that RLBench cannot place is given up; it tries 40 places in each."""
SHOWN_S = 0.4
"""For how long a film shows what an action led to: nobody sees RLBench's arm while it moves."""
_FLIP = np.diag([-1.0, -1.0, 1.0, 1.0]).astype(np.float32)
_PROPRIOCEPTION = ("gripper_pose", "gripper_joint_positions", "joint_positions", "joint_velocities")


class RLBenchSlot:
    """Plays one episode after the other; the simulator is launched at the first.

    Args:
        config: Which pictures an observation holds.
        episode_length: Macro actions after which an episode is truncated.
        collision_checking: Plan round obstacles.
    """

    def __init__(self, config: ObservationConfig, episode_length: int, collision_checking: bool) -> None:
        self._config = config
        self._episode_length = episode_length
        self._collision_checking = collision_checking
        self._rng = np.random.default_rng(0)
        self._env: Any = None
        self._task: Any = None
        self._task_name: str | None = None
        self._last: Any = None
        self._steps = 0
        self._film: list[NDArray[np.uint8]] = []
        self._filmed = 0
        self._errors: tuple[type[Exception], ...] = ()
        self._not_placed: type[Exception] = Exception

    def seed(self, entropy: Sequence[int]) -> None:
        """Seed the draws of episodes."""
        self._rng = np.random.default_rng(list(entropy))

    def begin(self, task: str, variation: int, seed: int | None = None) -> Observation:
        """The first observation of a new episode, of a seed or drawn.

        Raises:
            ImportError: If RLBench, PyRep or CoppeliaSim is missing.
            ValueError: If RLBench has no such task or variation.
            RuntimeError: If RLBench finds no place for it.
        """
        self._prepare(task, variation)
        _, self._last = self._placed(self._task.reset, seed)
        self._steps = 0
        return self.observe()

    def demo(self, task: str, variation: int, picture_every: int) -> dict[str, Any]:
        """What RLBench's own waypoints did in a new episode; RLBench draws another if they fail.

        Returns:
            `frames`, proprioception [T, ...]; `keyframes`, their indices; `observations`, those of the
            keyframes and of every `picture_every`-th frame, by index.

        Raises:
            ImportError: If RLBench, PyRep or CoppeliaSim is missing.
            ValueError: If RLBench has no such task or variation.
            RuntimeError: If ten episodes in a row could not be demonstrated, or the task finds no place.
        """
        self._prepare(task, variation)
        (recorded,) = self._placed(lambda: self._task.get_demos(1, live_demos=True))
        felt = [_proprioception(recorded[i]) for i in range(len(recorded))]
        frames = {name: np.stack([frame[name] for frame in felt]) for name in felt[0]}
        keyframes = keyframes_of(frames["gripper_open"][:, 0], frames["joint_velocities"])
        chosen = sorted({*range(0, len(recorded), picture_every), *keyframes})
        observations = {i: self._observation(recorded[i], 1.0) for i in chosen}
        return {"frames": frames, "keyframes": keyframes, "observations": observations}

    def _prepare(self, task: str, variation: int) -> None:
        self._launch()
        if task != self._task_name:
            try:
                task_class = importlib.import_module("rlbench.utils").name_to_task_class(task)
            except RuntimeError as error:
                raise ValueError(f"RLBench has no task {task!r}") from error
            self._task = self._env.get_task(task_class)
            self._task_name = task
        count = self._task.variation_count()
        if variation >= count:
            raise ValueError(f"RLBench's {task} has {count} variations, 0 to {count - 1}")
        self._task.set_variation(variation)

    def _placed(self, begin: Callable[[], Any], seed: int | None = None) -> Any:
        """What `begin` gives with a seed for which RLBench finds a place for the task."""
        rng = self._rng if seed is None else np.random.default_rng(seed)
        for _ in range(RESETS):
            np.random.seed(int(rng.integers(2**32)))  # noqa: NPY002 (RLBench draws from the global one)
            try:
                return begin()
            except self._not_placed:
                continue
        raise RuntimeError(f"RLBench found no place for {self._task_name} in {RESETS} resets")

    def step(self, action: NDArray[np.float64]) -> Transition:
        """Carry out a macro action; what RLBench cannot plan ends the episode with a failure."""
        action = np.concatenate(
            [action[:3], action[3:7] / np.linalg.norm(action[3:7]), [float(action[7] > 0.5)]]
        )
        reward, failure = 0.0, ""
        try:
            self._last, reward, _ = self._task.step(action)
        except self._errors as error:
            failure = "outside workspace" if "workspace" in str(error) else "unreachable"
        self._steps += 1
        if self._filmed:
            self._film += [self.frame()] * self._filmed
        success = reward >= 1.0
        terminated = success or failure != ""
        truncated = not terminated and self._steps >= self._episode_length
        return Transition(float(success), terminated, truncated, failure, self.observe())

    def observe(self) -> Observation:
        """The current observation."""
        return self._observation(self._last, remaining_time(self._steps, self._episode_length))

    def _observation(self, obs: Any, time: float) -> Observation:
        out: Observation = dict(_proprioception(obs))
        out["time"] = np.array([time], dtype=np.float32)
        for camera in self._config.cameras:
            if self._config.rgb:
                out[f"{camera}_rgb"] = np.asarray(getattr(obs, f"{camera}_rgb"), dtype=np.uint8)
            if self._config.depth:
                out[f"{camera}_depth"] = np.asarray(getattr(obs, f"{camera}_depth"), dtype=np.float32)
            if self._config.point_cloud:
                points = np.asarray(getattr(obs, f"{camera}_point_cloud"), dtype=np.float32)
                out[f"{camera}_point_cloud"] = points
            pose = np.asarray(obs.misc[f"{camera}_camera_extrinsics"], dtype=np.float32)
            out[f"{camera}_camera_extrinsics"] = pose @ _FLIP
            k = np.asarray(obs.misc[f"{camera}_camera_intrinsics"], dtype=np.float32)
            out[f"{camera}_camera_intrinsics"] = np.abs(k)
        return out

    def frame(self) -> NDArray[np.uint8]:
        """The front camera's picture, or else the first camera's that is observed, made larger."""
        shown = [getattr(self._last, f"{name}_rgb", None) for name in ("front", *self._config.cameras)]
        rgb = next((picture for picture in shown if picture is not None), None)
        if rgb is None:
            raise ValueError("a video shows what a camera sees: observe the rgb of one")
        scale = -(-512 // rgb.shape[0])
        frame: NDArray[np.uint8] = np.asarray(rgb, dtype=np.uint8).repeat(scale, 0).repeat(scale, 1)
        return frame

    def film(self, every: int) -> None:
        """Keep pictures of what each action led to, one for every so many ticks of `SHOWN_S`; 0 for none."""
        self._filmed = max(1, round(SHOWN_S / (every * TICK_S))) if every else 0

    def developed(self) -> list[NDArray[np.uint8]]:
        """The pictures that were kept, oldest first, each given once."""
        film, self._film = self._film, []
        return film

    def state(self) -> dict[str, Any]:
        """Not possible.

        Raises:
            NotImplementedError: Always: CoppeliaSim's state cannot be saved completely.
        """
        raise NotImplementedError("RLBench in CoppeliaSim cannot save its state: start again from a reset")

    def check(self, state: Mapping[str, Any]) -> None:
        """Not possible."""
        self.state()

    def load(self, state: Mapping[str, Any]) -> Observation | None:
        """Not possible."""
        self.state()
        return None

    def close(self) -> None:
        """End the simulator."""
        if self._env is not None:
            self._env.shutdown()
            self._env = None

    def _launch(self) -> None:
        if self._env is not None:
            return
        try:
            self._env = self._launched()
        except (ImportError, RuntimeError) as error:
            raise ImportError(
                f"RLBench does not start ({error}): "
                "fvm_envs.rlbench.check_installation() says what is missing"
            ) from error

    def _launched(self) -> Any:
        module = importlib.import_module
        pyrep_errors = module("pyrep.errors")
        exceptions = module("rlbench.backend.exceptions")
        self._not_placed = exceptions.TaskEnvironmentError
        self._errors = (
            exceptions.InvalidActionError,
            pyrep_errors.IKError,
            pyrep_errors.ConfigurationPathError,
        )
        observation = module("rlbench.observation_config")
        wanted = observation.ObservationConfig()
        wanted.set_all(False)
        for name in ("joint_velocities", "joint_positions", "gripper_open", "gripper_pose"):
            setattr(wanted, name, True)
        wanted.gripper_joint_positions = True
        for camera in CAMERAS:
            if camera in self._config.cameras:
                view = observation.CameraConfig(
                    # A point cloud needs one of the two pictures to be rendered.
                    rgb=self._config.rgb or not self._config.depth,
                    depth=self._config.depth,
                    point_cloud=self._config.point_cloud,
                    mask=False,
                    image_size=self._config.image_size[::-1],  # CoppeliaSim's order: width, height
                    render_mode=module("pyrep.const").RenderMode.OPENGL,
                    depth_in_meters=True,
                )
                setattr(wanted, f"{camera}_camera", view)
        arm = module("rlbench.action_modes.arm_action_modes").EndEffectorPoseViaPlanning(
            collision_checking=self._collision_checking
        )
        gripper = module("rlbench.action_modes.gripper_action_modes").Discrete()
        mode = module("rlbench.action_modes.action_mode").MoveArmThenGripper(arm, gripper)
        env = module("rlbench.environment").Environment(mode, obs_config=wanted, headless=True)
        env.launch()
        return env


def _proprioception(obs: Any) -> dict[str, NDArray[np.float32]]:
    """What the robot feels, of an observation of RLBench's."""
    felt = {name: np.asarray(getattr(obs, name), dtype=np.float32) for name in _PROPRIOCEPTION}
    felt["gripper_joint_positions"] = np.clip(felt["gripper_joint_positions"], 0.0, 0.04)
    felt["gripper_open"] = np.array([obs.gripper_open], dtype=np.float32)
    return felt
