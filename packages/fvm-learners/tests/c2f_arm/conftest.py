"""A table in synthetic pictures: a ball of one colour, seen by one camera from above, to be touched."""

from dataclasses import dataclass

import gymnasium as gym
import numpy as np
import pytest
import torch
from fvm_learners.c2f_arm import C2FARMConfig, Demonstration
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

torch.set_num_threads(1)

SIDE = 32
CAMERA = np.array([0.2, 0.0, 1.9])
FOCAL = 32.0
TABLE, RADIUS = 0.75, 0.06
LOOKING_DOWN = np.diag([1.0, -1.0, -1.0])
DOWN = np.array([1.0, 0.0, 0.0, 0.0])  # the tip's z axis down, xyzw


def picture(ball):
    """RGB and depth of the ball on the table."""
    u, v = np.meshgrid(np.arange(SIDE) + 0.5, np.arange(SIDE) + 0.5)
    rays = (
        np.stack([(u - SIDE / 2) / FOCAL, (v - SIDE / 2) / FOCAL, np.ones_like(u)], axis=-1) @ LOOKING_DOWN.T
    )
    depth = np.full((SIDE, SIDE), CAMERA[2] - TABLE)
    points = CAMERA + rays * depth[..., None]
    near = np.linalg.norm(points[..., :2] - ball[:2], axis=-1) < RADIUS
    depth[near] = CAMERA[2] - ball[2]
    rgb = np.full((SIDE, SIDE, 3), 90, dtype=np.uint8)
    rgb[near] = (250, 20, 20)
    return rgb, depth.astype(np.float32)


def observation(ball, opened, time):
    rgb, depth = picture(ball)
    extrinsics = np.eye(4, dtype=np.float32)
    extrinsics[:3, :3], extrinsics[:3, 3] = LOOKING_DOWN, CAMERA
    return {
        "front_rgb": rgb,
        "front_depth": depth,
        "front_camera_extrinsics": extrinsics,
        "front_camera_intrinsics": np.array(
            [[FOCAL, 0, SIDE / 2], [0, FOCAL, SIDE / 2], [0, 0, 1]], dtype=np.float32
        ),
        "gripper_open": np.array([opened], dtype=np.float32),
        "time": np.array([time], dtype=np.float32),
    }


class Ball(VectorEnv):
    """Touching the ball within 4 cm ends the episode with reward 1; after `length` steps it is cut.

    `reuse` gives the same arrays again at every step, as `copy=False` does. Saves its state.
    """

    def __init__(self, num_envs=2, length=3, reuse=False, mode=AutoresetMode.SAME_STEP, num_tasks=1):
        self.num_envs, self.length, self.reuse, self.num_tasks = num_envs, length, reuse, num_tasks
        self.metadata = {"autoreset_mode": mode}
        box = gym.spaces.Box
        self.single_observation_space = gym.spaces.Dict(
            {
                "front_rgb": box(0, 255, (SIDE, SIDE, 3), np.uint8),
                "front_depth": box(0, 10, (SIDE, SIDE), np.float32),
                "front_camera_extrinsics": box(-10, 10, (4, 4), np.float32),
                "front_camera_intrinsics": box(0, 1e5, (3, 3), np.float32),
                "gripper_open": box(0, 1, (1,), np.float32),
                "time": box(-1, 1, (1,), np.float32),
            }
        )
        self.single_action_space = box(-2, 2, (8,), np.float32)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._kept = None

    def _begin(self, i):
        self.ball[i] = [self.rng.uniform(0.0, 0.4), self.rng.uniform(-0.2, 0.2), TABLE + 0.05]
        self.t[i], self.opened[i] = 0, 1.0
        self.task[i] = self.rng.integers(self.num_tasks)

    def _one(self, i):
        return observation(self.ball[i], self.opened[i], 1 - 2 * self.t[i] / (self.length - 1))

    def _observe(self):
        each = [self._one(i) for i in range(self.num_envs)]
        obs = {name: np.stack([one[name] for one in each]) for name in each[0]}
        if not self.reuse:
            return obs
        if self._kept is None:
            self._kept = obs
        for name, part in obs.items():
            self._kept[name][:] = part
        return self._kept

    def reset(self, *, seed=None, options=None):
        mask = (options or {}).get("reset_mask", np.ones(self.num_envs, bool))
        if seed is not None or not hasattr(self, "rng"):
            self.rng = np.random.default_rng(seed)
        if not hasattr(self, "t"):
            self.ball, self.t = np.zeros((self.num_envs, 3)), np.zeros(self.num_envs, int)
            self.opened, self.task = np.ones(self.num_envs), np.zeros(self.num_envs, int)
            self.ended = np.zeros(self.num_envs, bool)
        for i in np.flatnonzero(mask):
            self._begin(i)
        return self._observe(), {"task_index": self.task.copy()}

    def step(self, actions):
        skipped = self.ended.copy()
        for i in np.flatnonzero(skipped):
            self._begin(i)
        self.t += ~skipped
        self.opened = np.where(skipped, self.opened, actions[:, 7])
        hit = (np.linalg.norm(actions[:, :3] - self.ball, axis=1) < 0.04) & ~skipped
        cut = (self.t >= self.length) & ~hit & ~skipped
        ended, info = hit | cut, {}
        if self.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP:
            if ended.any():
                info["final_obs"] = np.full(self.num_envs, None, dtype=object)
                info["_final_obs"] = ended
                for i in np.flatnonzero(ended):
                    info["final_obs"][i] = self._one(i)
                    self._begin(i)
        elif self.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP:
            self.ended = ended
        return self._observe(), hit.astype(float), hit, cut, info | {"task_index": self.task.copy()}

    def state_dict(self):
        arrays = {name: getattr(self, name).copy() for name in ("ball", "t", "opened", "task", "ended")}
        return {"rng": self.rng.bit_generator.state, **arrays}

    def load_state_dict(self, state):
        self.rng = np.random.default_rng()
        self.rng.bit_generator.state = state["rng"]
        for name in ("ball", "t", "opened", "task", "ended"):
            setattr(self, name, state[name].copy())


@dataclass(frozen=True)
class Shown:
    """A demonstration that goes above the ball and down to it in 12 frames."""

    ball: np.ndarray

    def demonstration(self, keyframes=None):
        above = self.ball + np.array([0, 0, 0.2])
        path = np.concatenate([np.linspace([0.2, 0, 1.2], above, 6), np.linspace(above, self.ball, 6)])
        pose = np.concatenate([path, np.tile(DOWN, (12, 1))], axis=1)
        speed = np.full((12, 7), 0.5)
        speed[5] = speed[11] = 0.0
        frames = {"gripper_pose": pose, "gripper_open": np.ones((12, 1)), "joint_velocities": speed}
        return Demonstration(frames, lambda frame, time: observation(self.ball, 1.0, time), None, keyframes)


@pytest.fixture
def ball():
    return Ball


@pytest.fixture
def demos():
    """`n` demonstrations, the same for every n."""

    def make(n, keyframes=None):
        rng = np.random.default_rng(5)
        balls = [[rng.uniform(0, 0.4), rng.uniform(-0.2, 0.2), TABLE + 0.05] for _ in range(n)]
        return [Shown(np.array(one)).demonstration(keyframes) for one in balls]

    return make


TINY = C2FARMConfig(
    low_dim=("gripper_open", "time"),
    network="patch",
    channels=8,
    grid_sizes=(8, 8),
    padding="zeros",
    batch_size=8,
    learning_rate=4e-3,
    max_grad_norm=1.0,
    target_tau=0.0,
    target_period_updates=10,
    cached_targets=True,
    imitation=0.05,
    start_every=3,
    yaw_degrees=20.0,
    shift=(0.1, 0.1, 0.02),
    gripper_symmetry=True,
    beam=2,
    replay_capacity=400,
    num_steps=4,
)


@pytest.fixture
def tiny():
    return TINY
