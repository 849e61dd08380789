"""What fvm's learners take on a GPU, beside what the machine could do: one small JSON, in at most 8 minutes.

    python benchmarks/gpu.py [--device cuda] [--out gpu.json] [--minutes 8]
    OMP_NUM_THREADS=1 python benchmarks/gpu.py --device cpu --tiny     # tries the script, no more

Measured are the machine (matrix products, copies, Procgen's env steps a second on its cores), PPO at the
paper's size on Procgen, data-efficient Rainbow with each `update_mode`, and C2F-ARM's update. Beside each
update stand its floors: its FLOPs over the measured rate of matrix products, and the bytes that its
optimiser and its batch cannot do without over the measured bandwidth. `of_floor` is time over the larger one:
1 would be perfect. What fails is noted in its place, and the rest goes on; what no time is left for is named.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import fvm_envs
import numpy as np
import torch
import tyro
from fvm_learners import DATA_EFFICIENT, PPO, TRAIN_PROCGEN, Rainbow
from torch.utils.flop_counter import FlopCounterMode

ADAM_BYTES = 7 * 4  # a parameter's: itself, gradient and two moments read, itself and both moments written


@dataclass
class Machine:
    """Where it runs, what that can do, and how long there is."""

    device: torch.device
    tiny: bool
    end: float
    flops: dict[str, float] = field(default_factory=dict)  # a second, by precision
    bytes_per_s: float = 0.0

    @property
    def left_s(self) -> float:
        """Seconds until the benchmark must have ended."""
        return self.end - time.monotonic()

    def wait(self) -> None:
        """Returns once the device has done all that it was given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def seconds(self, call: Callable[[], object], for_s: float, warm_up: int = 2) -> float:
        """Returns the median time of a call, from as many as fit into some seconds, three at least."""
        for _ in range(1 if self.tiny else warm_up):
            call()
        times: list[float] = []
        until = time.monotonic() + (0.0 if self.tiny else min(for_s, self.left_s))
        while len(times) < 3 or time.monotonic() < until:
            self.wait()
            start = time.perf_counter()
            call()
            self.wait()
            times.append(time.perf_counter() - start)
        return statistics.median(times)

    def floors(self, flops: float, nbytes: float, precision: str = "float32") -> dict[str, float]:
        """Returns the least time that so many FLOPs and bytes can take here, in milliseconds."""
        by_flops, by_bytes = flops / self.flops[precision], nbytes / self.bytes_per_s
        return {"gflop": flops / 1e9, "flops_ms": by_flops * 1e3, "bytes_ms": by_bytes * 1e3}


def flops_of(call: Callable[[], object]) -> float:
    """Returns the FLOPs of the convolutions and matrix products in a call, backward passes too."""
    with FlopCounterMode(display=False) as counter:
        call()
    return float(counter.get_total_flops())


def measure_machine(machine: Machine) -> dict[str, Any]:
    """Rates of matrix products and copies."""
    size = 256 if machine.tiny else 8192
    found: dict[str, Any] = {}
    for name, dtype, tf32 in (
        ("float32", torch.float32, False),
        ("tf32", torch.float32, True),
        ("bfloat16", torch.bfloat16, False),
    ):
        torch.backends.cuda.matmul.allow_tf32 = tf32
        a = torch.randn(size, size, device=machine.device, dtype=dtype)
        machine.flops[name] = 2 * size**3 / machine.seconds(lambda a=a: a @ a, for_s=1.5)
        found[f"{name}_tflops"] = machine.flops[name] / 1e12
    torch.backends.cuda.matmul.allow_tf32 = False
    x = torch.zeros((1 if machine.tiny else 2**10) * 2**20 // 4, device=machine.device)
    y = torch.empty_like(x)
    machine.bytes_per_s = 2 * x.nbytes / machine.seconds(lambda: y.copy_(x), for_s=1.0)
    return {**found, "copy_gb_per_s": machine.bytes_per_s / 1e9}


def measure_envs(machine: Machine) -> dict[str, Any]:
    """Env steps a second of Procgen at paper size, by threads."""
    num_envs, found = 8 if machine.tiny else 256, {}
    for threads in sorted({1, 2, min(8, os.cpu_count() or 1), os.cpu_count() or 1}):
        envs = fvm_envs.make_vec("procgen/coinrun-hard/0:10000", num_envs, seed=0, num_threads=threads)
        envs.reset(seed=0)
        rng = np.random.default_rng(0)
        actions = rng.integers(0, envs.single_action_space.n, (64, num_envs))
        calls = iter(range(10**9))

        def step(envs: Any = envs, actions: Any = actions, calls: Any = calls) -> None:
            envs.step(actions[next(calls) % 64])

        found[f"{threads}_threads"] = num_envs / machine.seconds(step, for_s=3.0, warm_up=50)
        envs.close()
    return found


def measure_ppo(machine: Machine) -> dict[str, Any]:
    """An iteration of train-procgen's PPO on Procgen: 256 envs, 256 steps, IMPALA; float32 and autocast."""
    found: dict[str, Any] = {}
    num_envs, num_steps = (8, 8) if machine.tiny else (256, 256)
    threads = min(os.cpu_count() or 1, 2 if machine.tiny else 8)
    for name, autocast in (("float32", False), ("bfloat16", True)):
        config = replace(TRAIN_PROCGEN, num_steps=num_steps, autocast=autocast)
        if machine.tiny:
            config = replace(config, network="nature-small", num_minibatches=2, num_epochs=1)
        envs = fvm_envs.make_vec("procgen/coinrun-hard/0:10000", num_envs, seed=0, num_threads=threads)
        ppo = PPO(
            envs.single_observation_space,
            envs.single_action_space,
            config,
            seed=0,
            device=str(machine.device),
        )
        update, spent = ppo._update, []

        def timed(rollout: Any, update: Any = update, spent: Any = spent) -> Any:
            machine.wait()
            start = time.perf_counter()
            result = update(rollout)
            machine.wait()
            spent.append(time.perf_counter() - start)
            return result

        ppo._update = timed  # type: ignore[method-assign]
        if machine.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(machine.device)
        whole_s = machine.seconds(lambda ppo=ppo, envs=envs: ppo.iteration(envs), for_s=25.0, warm_up=1)
        update_s = statistics.median(spent[1:])
        frames = num_envs * num_steps
        counted = flops_of(lambda ppo=ppo, envs=envs: ppo.iteration(envs))
        parameters = sum(parameter.numel() for parameter in ppo.policy.parameters())
        steps = config.num_epochs * config.num_minibatches
        pixels = int(np.prod(envs.single_observation_space.shape)) * frames
        rollout_flops = counted / (1 + 3 * config.num_epochs)  # a backward pass is two forward ones
        floors = machine.floors(
            counted - rollout_flops, steps * parameters * ADAM_BYTES + config.num_epochs * pixels, name
        )
        found[name] = {
            "env_steps_per_s": frames / whole_s,
            "iteration_s": whole_s,
            "rollout_s": whole_s - update_s,
            "update_s": update_s,
            "env_threads": threads,
            **floors,
            "of_floor": update_s * 1e3 / max(floors["flops_ms"], floors["bytes_ms"]),
            **memory_of(machine),
        }
        envs.close()
    return found


def measure_rainbow(machine: Machine) -> dict[str, Any]:
    """Updates of data-efficient Rainbow on frames of Atari's size, by `update_mode`."""
    from rainbow import RandomFrames

    found: dict[str, Any] = {}
    envs = RandomFrames(1)
    graph = ("cuda-graph",) if machine.device.type == "cuda" else ()
    for mode in ("eager", *graph, *(() if machine.tiny else ("compile",))):
        config = replace(
            DATA_EFFICIENT,
            learn_start=100,
            replay_capacity=400 if machine.tiny else 20_000,
            update_mode=mode,
        )
        rainbow = Rainbow(
            envs.single_observation_space,
            envs.single_action_space,
            config,
            seed=0,
            device=str(machine.device),
        )
        try:
            rainbow.collect(envs, 150 if machine.tiny else 2_000)
            each_s = machine.seconds(rainbow.update, for_s=10.0, warm_up=10)
            if mode == "eager":
                counted = flops_of(rainbow.update)
                parameters = sum(parameter.numel() for parameter in rainbow.policy.parameters())
                pixels = 2 * config.batch_size * int(np.prod(envs.single_observation_space.shape))
                floors = machine.floors(counted, parameters * ADAM_BYTES + pixels)
            found[mode] = {
                "updates_per_s": 1 / each_s,
                **floors,
                "of_floor": each_s * 1e3 / max(floors["flops_ms"], floors["bytes_ms"]),
                **memory_of(machine),
            }
        except Exception as error:
            found[mode] = words_of(error)
    return found


def measure_c2f_arm(machine: Machine) -> dict[str, Any]:
    """C2F-ARM's update at its authors' size, on demonstrations of one task."""
    from c2f_arm import agent_of
    from fvm_learners.c2f_arm import CPU, UPSTREAM

    config = replace(CPU if machine.tiny else UPSTREAM, learn_start=0)
    agent = agent_of(config, device=str(machine.device))
    each_s = machine.seconds(agent.update, for_s=20.0)
    counted = flops_of(agent.update)
    parameters = sum(parameter.numel() for net in agent.policy.networks for parameter in net.parameters())
    floors = machine.floors(counted, parameters * ADAM_BYTES)
    return {
        "batch_size": config.batch_size,
        "updates_per_s": 1 / each_s,
        **floors,
        "of_floor": each_s * 1e3 / max(floors["flops_ms"], floors["bytes_ms"]),
        **memory_of(machine),
    }


def memory_of(machine: Machine) -> dict[str, float]:
    """Returns what this process took of the GPU at most so far."""
    if machine.device.type != "cuda":
        return {}
    return {"gpu_gb": torch.cuda.max_memory_reserved(machine.device) / 1e9}


def words_of(error: Exception) -> dict[str, str]:
    """Returns what went wrong, and where."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return {
        "error": f"{type(error).__name__}: {error}"[:300],
        "at": f"{Path(place.filename).name}:{place.lineno}",
    }


PARTS = {
    "machine": measure_machine,
    "envs": measure_envs,
    "ppo": measure_ppo,
    "rainbow": measure_rainbow,
    "c2f_arm": measure_c2f_arm,
}


def rounded(value: Any) -> Any:
    """Returns the value with numbers to four digits."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return float(f"{value:.4g}") if isinstance(value, float) else value


def main(device: str = "cuda", out: Path = Path("gpu.json"), minutes: float = 8.0, tiny: bool = False) -> int:
    """Measures all parts, and writes them after each: what is done stays, whatever ends the rest."""
    started = time.monotonic()
    sys.path.insert(0, str(Path(__file__).parent))
    torch.set_num_threads(1)
    machine = Machine(torch.device(device), tiny, started + 60 * minutes - 20)
    is_gpu = machine.device.type == "cuda"
    name = torch.cuda.get_device_name(machine.device) if is_gpu else "cpu"
    found: dict[str, Any] = {
        "device": name,
        "torch": torch.__version__,
        "cores": os.cpu_count(),
        "tiny": tiny,
    }
    failed = 0
    for part, measure in PARTS.items():
        if machine.left_s < 30:
            found[part] = {"skipped": "no time was left"}
            continue
        begun = time.monotonic()
        try:
            found[part] = rounded(measure(machine))
        except Exception as error:
            found[part], failed = words_of(error), failed + 1
        found[part]["took_s"] = round(time.monotonic() - begun, 1)
        found["took_s"] = round(time.monotonic() - started, 1)
        out.write_text(json.dumps(found, indent=1) + "\n")
        print(part, json.dumps(found[part]), flush=True)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(tyro.cli(main, description=__doc__))
