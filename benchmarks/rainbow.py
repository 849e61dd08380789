"""Data-efficient Rainbow's loop: updates per second, and where the time goes.

    uv run python benchmarks/rainbow.py [--rows 200] [--num-envs 1] [--device cpu] [--update-mode eager]

Plays `atari/pong` where fvm-envs and ale-py are installed, else random frames of its size. Each row is one
step of all envs and the updates then due (`--updates-per-env-step`). The parts are timed inside one run, wall
and processor time; `--adam` compares fused Adam with PyTorch's default, turn by turn.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from fvm_learners import DATA_EFFICIENT, Rainbow
from gymnasium.vector import AutoresetMode, VectorEnv

PARTS = ("act", "env", "append", "sample", "gradient step", "priorities")


class RandomFrames(VectorEnv[Any, Any, Any]):
    """Stacks of four random frames, episodes of 500 steps; costs next to nothing."""

    def __init__(self, num_envs: int) -> None:
        self.num_envs = num_envs
        self.metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}
        self.single_observation_space = gym.spaces.Box(0, 255, (84, 84, 4), np.uint8)
        self.single_action_space = gym.spaces.Discrete(6)
        self._rng = np.random.default_rng(0)
        self._frames = self._rng.integers(1, 256, (64, num_envs, 84, 84), dtype=np.uint8)

    def reset(self, *, seed=None, options=None):
        self._t, self._stack = 0, np.zeros((self.num_envs, 84, 84, 4), np.uint8)
        self._stack[..., -1] = self._frames[0]
        return self._stack.copy(), {}

    def step(self, actions):
        self._t += 1
        end = np.full(self.num_envs, self._t % 500 == 0)
        self._stack = np.roll(self._stack, -1, axis=-1) if not end[0] else np.zeros_like(self._stack)
        self._stack[..., -1] = self._frames[self._t % 64]
        return self._stack.copy(), self._rng.random(self.num_envs), end, ~end & False, {}


def make_envs(num_envs: int) -> tuple[VectorEnv[Any, Any, Any], str]:
    try:
        import fvm_envs

        return fvm_envs.make_vec("atari/pong", num_envs=num_envs, seed=0), "atari/pong"
    except (ImportError, ValueError) as error:
        return RandomFrames(num_envs), f"random frames ({error})"


class Clock:
    """Wall and CPU seconds of wrapped functions, by name; nested ones are taken out of those around them."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.spent = {name: np.zeros(2) for name in PARTS}
        self.inner = [np.zeros(2)]

    def now(self) -> np.ndarray:
        if self.device.startswith("cuda"):
            torch.cuda.synchronize()
        return np.array([time.perf_counter(), time.process_time()])

    def wrap(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:
            start = self.now()
            self.inner.append(np.zeros(2))
            try:
                return function(*args, **kwargs)
            finally:
                whole = self.now() - start
                self.spent[name] += whole - self.inner.pop()
                self.inner[-1] += whole

        return timed


def instrument(rainbow: Rainbow, envs: VectorEnv[Any, Any, Any], clock: Clock) -> None:
    rainbow.collect = clock.wrap("act", rainbow.collect)
    envs.step = clock.wrap("env", envs.step)
    for replay in rainbow.replays:
        replay.append = clock.wrap("append", replay.append)
        replay.update_priorities = clock.wrap("priorities", replay.update_priorities)
    sampler = rainbow.sampler
    sampler.batch = clock.wrap("sample", sampler.batch)
    rainbow._gradient_step = clock.wrap("gradient step", rainbow._gradient_step)


def compare_adam(rainbow: Rainbow, rounds: int) -> None:
    parameters, config = list(rainbow.policy.parameters()), rainbow.config
    kinds = {
        "fused": torch.optim.Adam(parameters, lr=0.0, eps=config.adam_eps, fused=True),
        "default": torch.optim.Adam(parameters, lr=0.0, eps=config.adam_eps),
    }
    times: dict[str, list[float]] = {name: [] for name in kinds}
    rainbow.update()  # leaves gradients
    for _ in range(rounds):
        for name, adam in kinds.items():
            start = time.process_time()
            for _ in range(20):
                adam.step()
            times[name].append((time.process_time() - start) / 20)
    fused, default = (statistics.median(times[name]) * 1e3 for name in kinds)
    print(f"Adam: fused {fused:.2f} ms, default {default:.2f} ms, ratio {default / fused:.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--warm-up-rows", type=int, default=20)
    parser.add_argument("--num-envs", type=int, default=1)
    parser.add_argument("--updates-per-env-step", type=float, default=1.0)
    parser.add_argument("--capacity", type=int, default=100_000)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--update-mode", default="eager", choices=("eager", "compile", "cuda-graph"))
    parser.add_argument("--adam", type=int, default=20, help="rounds of the comparison, 0 for none")
    args = parser.parse_args()
    torch.set_num_threads(1)
    envs, name = make_envs(args.num_envs)
    config = replace(
        DATA_EFFICIENT,
        learn_start=200,
        replay_capacity=args.capacity,
        updates_per_env_step=args.updates_per_env_step,
        update_mode=args.update_mode,
    )
    rainbow = Rainbow(
        envs.single_observation_space, envs.single_action_space, config, seed=0, device=args.device
    )
    print(f"{name}; torch {torch.__version__}, {args.device}, 1 thread, {args.update_mode}")
    rainbow.collect(envs, -(-200 // args.num_envs))
    rainbow.updates_due = 0.0
    for _ in range(args.warm_up_rows):
        rainbow.iteration(envs, args.num_envs)
    clock = Clock(args.device)
    instrument(rainbow, envs, clock)
    before, start = rainbow.updates, clock.now()
    for _ in range(args.rows):
        rainbow.iteration(envs, args.num_envs)
    wall, cpu = clock.now() - start
    updates, env_steps = rainbow.updates - before, args.rows * args.num_envs
    print(f"{env_steps} env steps, {updates} updates: {updates / wall:.1f} updates/s on the clock, ", end="")
    print(f"{updates / cpu:.1f} per CPU second; {env_steps / cpu:.1f} env steps per CPU second")
    print(f"{'':14}{'wall ms/row':>12}{'CPU ms/row':>12}{'CPU share':>11}")
    rest = np.array([wall, cpu]) - sum(clock.spent.values())
    for part, spent in (*clock.spent.items(), ("rest", rest)):
        wall_ms, cpu_ms = spent / args.rows * 1e3
        print(f"{part:14}{wall_ms:12.2f}{cpu_ms:12.2f}{spent[1] / cpu:10.0%}")
    if args.adam:
        compare_adam(rainbow, args.adam)


if __name__ == "__main__":
    main()
