"""PPO with the IMPALA encoder against Stable-Baselines3's PPO: same env, network, batch, epochs and threads.

    uv run python benchmarks/ppo.py [--num-envs 64] [--num-steps 32] [--num-minibatches 8] [--rounds 5]

Prints frames/s of rollout and update, env steps/s end to end, and memory. Both learners live in one process
and take turns, so that a busy machine slows both; ratios are medians over rounds, in wall time and in CPU
time. SB3 gets its images as its own `VecTransposeImage` makes them. Without stable-baselines3 only ours is
measured; without fvm-envs the env is a stand-in that returns random images.
"""

import argparse
import resource
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import torch
import torch.nn.functional as F
from fvm_learners import PPO, TRAIN_PROCGEN, PPOConfig
from fvm_learners.networks.impala import ResidualBlock
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from torch import nn

TASKS = "procgen/coinrun-easy/0:200"


class RandomImages(VectorEnv[Any, Any, Any]):
    """Costs next to nothing, and has Procgen's shapes."""

    def __init__(self, num_envs: int, seed: int) -> None:
        self.num_envs = num_envs
        self.metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}
        self.single_observation_space = gym.spaces.Box(0, 255, (64, 64, 3), np.uint8)
        self.single_action_space = gym.spaces.Discrete(15)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._rng = np.random.default_rng(seed)

    def _obs(self):
        return self._rng.integers(0, 256, self.observation_space.shape, dtype=np.uint8)

    def reset(self, *, seed=None, options=None):
        return self._obs(), {}

    def step(self, actions):
        done = self._rng.random(self.num_envs) < 0.01
        return self._obs(), self._rng.random(self.num_envs), done, np.zeros_like(done), {}


def make_envs(num_envs: int, seed: int) -> tuple[VectorEnv[Any, Any, Any], str]:
    try:
        import fvm_envs

        return fvm_envs.make_vec(TASKS, num_envs=num_envs, seed=seed), TASKS
    except ImportError as error:
        return RandomImages(num_envs, seed), f"random images ({error})"


class Timer:
    """Sums wall and CPU seconds of the calls of wrapped functions."""

    def __init__(self) -> None:
        self.wall_s = self.cpu_s = 0.0

    def wrap(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:
            wall, cpu = time.perf_counter(), time.process_time()
            try:
                return function(*args, **kwargs)
            finally:
                self.wall_s += time.perf_counter() - wall
                self.cpu_s += time.process_time() - cpu

        return timed

    def take(self) -> tuple[float, float]:
        taken = self.wall_s, self.cpu_s
        self.wall_s = self.cpu_s = 0.0
        return taken


Round = dict[str, tuple[float, float]]  # phase -> (wall_s, cpu_s)


def ours(config: PPOConfig, num_envs: int) -> Callable[[], Round]:
    envs, _ = make_envs(num_envs, seed=0)
    ppo = PPO(envs.single_observation_space, envs.single_action_space, config, seed=0)
    total, update = Timer(), Timer()
    ppo._update = update.wrap(ppo._update)
    iteration = total.wrap(ppo.iteration)

    def one_round() -> Round:
        iteration(envs)
        whole, learn = total.take(), update.take()
        return {"rollout": (whole[0] - learn[0], whole[1] - learn[1]), "update": learn, "end to end": whole}

    one_round.rollout_bytes = lambda: ppo._rollout.nbytes  # type: ignore[attr-defined]
    return one_round


def stable_baselines3(config: PPOConfig, num_envs: int) -> Callable[[], Round]:
    import stable_baselines3 as sb3
    from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
    from stable_baselines3.common.vec_env import VecEnv

    class Envs(VecEnv):
        """SAME_STEP envs as SB3 wants them; it adds VecTransposeImage itself."""

        def __init__(self, envs: VectorEnv[Any, Any, Any]) -> None:
            self.envs, self.no_infos = envs, [{} for _ in range(envs.num_envs)]
            self.render_mode = None
            super().__init__(envs.num_envs, envs.single_observation_space, envs.single_action_space)

        def reset(self):
            return self.envs.reset(seed=0)[0]

        def step_async(self, actions):
            self.actions = actions

        def step_wait(self):
            obs, reward, terminated, truncated, _ = self.envs.step(self.actions)
            return obs, reward.astype(np.float32), terminated | truncated, self.no_infos

        def close(self):
            self.envs.close()

        def get_attr(self, attr_name, indices=None):
            return [getattr(self, attr_name)] * self.num_envs

        def set_attr(self, attr_name, value, indices=None):
            raise NotImplementedError

        def env_method(self, method_name, *args, indices=None, **kwargs):
            raise NotImplementedError

        def env_is_wrapped(self, wrapper_class, indices=None):
            return [False] * self.num_envs

    class Impala(BaseFeaturesExtractor):
        """The layers of fvm_learners' Impala, on the float [B, C, H, W] that SB3 hands over."""

        def __init__(self, observation_space: gym.spaces.Box) -> None:
            super().__init__(observation_space, features_dim=256)
            in_channels, height, width = observation_space.shape
            layers: list[nn.Module] = []
            for channels in (16, 32, 32):
                layers += [
                    nn.Conv2d(in_channels, channels, kernel_size=3, padding=1),
                    nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
                    ResidualBlock(channels),
                    ResidualBlock(channels),
                ]
                in_channels, height, width = channels, (height + 1) // 2, (width + 1) // 2
            self.sequences = nn.Sequential(*layers)
            self.dense = nn.Linear(in_channels * height * width, 256)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = F.relu(self.sequences(x), inplace=True)
            return F.relu(self.dense(torch.flatten(x, 1)))

    envs = Envs(make_envs(num_envs, seed=0)[0])
    model = sb3.PPO(
        "CnnPolicy",
        envs,
        n_steps=config.num_steps,
        batch_size=config.num_steps * num_envs // config.num_minibatches,
        n_epochs=config.num_epochs,
        learning_rate=config.learning_rate,
        gamma=config.discount,
        gae_lambda=config.gae_lambda,
        clip_range=config.clip_ratio,
        clip_range_vf=config.clip_value,
        ent_coef=config.entropy_coef,
        vf_coef=config.value_coef,
        max_grad_norm=config.max_grad_norm,
        policy_kwargs={
            "features_extractor_class": Impala,
            "net_arch": [],
            "optimizer_kwargs": {"eps": config.adam_eps},
        },
        seed=0,
        device="cpu",
    )
    rollout, update = Timer(), Timer()
    model.collect_rollouts = rollout.wrap(model.collect_rollouts)
    model.train = update.wrap(model.train)
    total = Timer()
    learn = total.wrap(model.learn)

    def one_round() -> Round:
        learn(config.num_steps * num_envs, reset_num_timesteps=False)
        return {"rollout": rollout.take(), "update": update.take(), "end to end": total.take()}

    buffer = model.rollout_buffer
    one_round.rollout_bytes = lambda: sum(  # type: ignore[attr-defined]
        x.nbytes for x in vars(buffer).values() if isinstance(x, np.ndarray)
    )
    return one_round


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--num-envs", type=int, default=64)
    parser.add_argument("--num-steps", type=int, default=32)
    parser.add_argument("--num-epochs", type=int, default=TRAIN_PROCGEN.num_epochs)
    parser.add_argument("--num-minibatches", type=int, default=TRAIN_PROCGEN.num_minibatches)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    config = PPOConfig(
        num_steps=args.num_steps,
        num_epochs=args.num_epochs,
        num_minibatches=args.num_minibatches,
        normalise_reward=False,  # SB3 has a wrapper for it; both go without
        network="impala",
    )
    frames = args.num_envs * args.num_steps
    print(f"env: {make_envs(1, 0)[1]}; torch {torch.__version__}, {args.threads} thread(s), float32, CPU")
    print(
        f"{args.num_envs} envs x {args.num_steps} steps, {config.num_epochs} epochs of "
        f"{config.num_minibatches} minibatches of {frames // config.num_minibatches}; "
        f"one warm-up, {args.rounds} rounds"
    )
    learners = {"fvm": ours(config, args.num_envs)}
    try:
        learners["sb3"] = stable_baselines3(config, args.num_envs)
    except ImportError as error:
        print(f"no comparison: {error}")
    rounds: dict[str, list[Round]] = {name: [] for name in learners}
    for i in range(args.rounds + 1):
        for name in sorted(learners, reverse=i % 2 == 1):
            result = learners[name]()
            if i > 0:
                rounds[name].append(result)
    passes = {"rollout": 1, "update": config.num_epochs, "end to end": 1}
    print(
        f"{'':12}"
        + "".join(f"{name + ' frames/s':>16}" for name in learners)
        + f"{'wall ratio':>14}{'CPU ratio':>14}"
    )
    for phase, times in passes.items():
        speed = {
            name: frames * times / statistics.median(r[phase][0] for r in rounds[name]) for name in learners
        }
        line = f"{phase:12}" + "".join(f"{speed[name]:16.0f}" for name in learners)
        if "sb3" in learners:
            for clock in (0, 1):
                ratios = [
                    b[phase][clock] / a[phase][clock]
                    for a, b in zip(rounds["fvm"], rounds["sb3"], strict=True)
                ]
                line += f"{statistics.median(ratios):8.2f} ({min(ratios):.2f}-{max(ratios):.2f})"
        print(line)
    for name, learner in learners.items():
        print(f"{name} rollout storage: {learner.rollout_bytes() / 1e6:.1f} MB")  # type: ignore[attr-defined]
    peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"peak resident memory of the process: {peak_kb / 1e3:.0f} MB")


if __name__ == "__main__":
    sys.exit(main())
