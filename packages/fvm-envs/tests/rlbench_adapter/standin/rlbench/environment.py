import os
import time

import numpy as np
from pyrep import PyRep

from rlbench.action_modes.action_mode import MoveArmThenGripper
from rlbench.backend.exceptions import DemoError, NoWaypointsError, TaskEnvironmentError
from rlbench.observation_config import CAMERAS, ObservationConfig

FOCAL = -110.0


class Scene:
    """A gripper, and a target that must be reached; everything is drawn from numpy's global generator."""

    def __init__(self):
        self.tip, self.open, self.target = None, 1.0, None

    def reset(self):
        self.tip = np.array([0.28, 0.0, 1.4, 1.0, 0.0, 0.0, 0.0])
        self.open = 1.0
        self.target = np.random.uniform((0.1, -0.3, 0.9), (0.4, 0.3, 1.2))  # noqa: NPY002


class Observation:
    pass


class Demo:
    def __init__(self, observations, random_seed=None):
        self._observations, self.random_seed = observations, random_seed

    def __len__(self):
        return len(self._observations)

    def __getitem__(self, i):
        return self._observations[i]


class TaskEnvironment:
    def __init__(self, scene, task, action_mode, obs_config, dataset_root):
        self._scene, self._task, self._dataset_root = scene, task, dataset_root
        self._action_mode, self._config = action_mode, obs_config
        self._variation, self._reset_called = 0, False

    def variation_count(self):
        return self._task.variations

    def set_variation(self, v):
        if v >= self.variation_count():
            raise TaskEnvironmentError(
                f"Requested variation {v}, but there are only {self.variation_count()} variations."
            )
        self._variation = v

    def reset(self):
        self._scene.reset()
        if np.random.uniform() < getattr(self._task, "hard_to_place", 0.0):  # noqa: NPY002
            raise TaskEnvironmentError("Could not place the task in the scene.")
        self._reset_called = True
        return ["reach the target"], self._observe()

    def step(self, action):
        if not self._reset_called:
            raise RuntimeError("Call 'reset' before calling 'step' on a task.")
        if np.shape(action) != (8,):
            raise RuntimeError("an action has 8 numbers")
        if getattr(self._task, "dies", False):
            os.abort()
        if getattr(self._task, "hangs", False):
            time.sleep(3600)
        self._action_mode.action(self._scene, action)
        success = bool(np.linalg.norm(self._scene.tip[:3] - self._scene.target) < 0.03)
        return self._observe(), float(success), success

    def get_demos(
        self,
        amount,
        live_demos=False,
        image_paths=False,
        callable_each_step=None,
        max_attempts=10,
        random_selection=True,
        from_episode_number=0,
    ):
        if not live_demos:
            if not self._dataset_root:
                raise RuntimeError("Can't ask for a stored demo when no dataset root provided.")
            raise NotImplementedError("no data set here")
        demos = []
        for _ in range(amount):
            for _ in range(max_attempts):
                random_seed = np.random.get_state()  # noqa: NPY002
                self.reset()
                try:
                    demos.append(Demo(self._play(), random_seed))
                    break
                except DemoError:
                    continue
            else:
                raise RuntimeError("Could not collect demos. Maybe a problem with the task?")
        return demos

    def _play(self):
        """To the target in 25 frames, a stop half way, the gripper closed at the end."""
        if getattr(self._task, "waypoints", True) is False:
            raise NoWaypointsError("Task does not have any waypoints.")
        if np.random.uniform() < getattr(self._task, "hard_to_demonstrate", 0.0):  # noqa: NPY002
            raise DemoError("The demo was completed, but was not successful.")
        start, frames = self._scene.tip.copy(), []
        for i in range(25):
            moved = min(i, 12) if i < 16 else i - 3
            self._scene.tip[:3] = start[:3] + (self._scene.target - start[:3]) * moved / 20
            self._scene.open = float(i < 24)
            frames.append(self._observe())
            if frames[-1].joint_velocities is not None:
                frames[-1].joint_velocities = np.full(7, 0.0 if 12 < i < 16 else 0.5)
        return frames

    def _observe(self):
        config, obs = self._config, Observation()
        obs.misc = {"variation_index": self._variation}
        for camera in CAMERAS:
            view = getattr(config, f"{camera}_camera")
            width, height = view.image_size
            rgb = np.full((height, width, 3), int(255 * self._scene.target[0]), dtype=np.uint8)
            depth = np.full((height, width), 1.5 if view.depth_in_meters else 0.3, dtype=np.float32)
            setattr(obs, f"{camera}_rgb", rgb if view.rgb else None)
            setattr(obs, f"{camera}_depth", depth if view.depth else None)
            cloud = view.point_cloud and (view.rgb or view.depth)
            points = np.zeros((height, width, 3), dtype=np.float32)
            setattr(obs, f"{camera}_point_cloud", points if cloud else None)
            if view.rgb or view.depth or view.point_cloud:
                obs.misc[f"{camera}_camera_extrinsics"] = np.eye(4)
                k = np.array([[FOCAL, 0, width / 2], [0, FOCAL, height / 2], [0, 0, 1]])
                obs.misc[f"{camera}_camera_intrinsics"] = k
        obs.joint_velocities = np.zeros(7) if config.joint_velocities else None
        obs.joint_positions = np.zeros(7) if config.joint_positions else None
        obs.gripper_open = self._scene.open if config.gripper_open else None
        obs.gripper_pose = self._scene.tip.copy() if config.gripper_pose else None
        fingers = np.full(2, 0.0402) * self._scene.open
        obs.gripper_joint_positions = fingers if config.gripper_joint_positions else None
        return obs


class Environment:
    def __init__(self, action_mode, dataset_root="", obs_config=None, headless=False):
        if not isinstance(action_mode, MoveArmThenGripper):
            raise TypeError("action_mode must be an ActionMode")
        if not isinstance(obs_config, ObservationConfig):
            raise TypeError("obs_config must be an ObservationConfig")
        if dataset_root and not os.path.exists(dataset_root):
            raise RuntimeError(f"Data set root does not exists: {dataset_root}")
        if not headless and "DISPLAY" not in os.environ:
            raise RuntimeError("no display")
        self._action_mode, self._config, self._pyrep = action_mode, obs_config, None
        self._dataset_root = dataset_root
        self._scene = Scene()

    def launch(self):
        if self._pyrep is not None:
            raise RuntimeError("Already called launch!")
        self._pyrep = PyRep()
        self._pyrep.launch(headless=True)

    def shutdown(self):
        if self._pyrep is not None:
            self._pyrep.shutdown()
        self._pyrep = None

    def get_task(self, task_class):
        if not isinstance(task_class, type):
            raise TypeError("get_task takes a class, not a name")
        if self._pyrep is None:
            self.launch()
        return TaskEnvironment(self._scene, task_class(), self._action_mode, self._config, self._dataset_root)
