"""Environment throughput, the cost of moving a slot, of saving a state, and of a leak audit.

    uv run python benchmarks/envs.py [--seconds 1] [--rounds 5] [--json out.json]

Compares with envpool's Procgen at the same game, levels, actions, number of environments and threads, turn by
turn in one run, where envpool can be imported (it needs the system's libQt5Gui), and says so where not. A
number is the median over rounds; a ratio is the median of the rounds' ratios: `ratio_wall` of env steps per
second, `ratio_cpu` of env steps per second of processor time, which other processes hardly disturb.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import itertools
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from fvm_envs import TaskSet, leaked, make_vec

LEVELS = 200
PLAYERS = {"random": tuple(range(15)), "always right": (7, 8)}
"""Native actions to draw from: random play has episodes of hundreds of steps, running right of some 50."""


def steps_per_second(
    step: Callable[[np.ndarray], Any], num_envs: int, choice: tuple[int, ...], seconds: float
) -> tuple[float, float]:
    """Env steps per second on the clock, and per second of processor time of all threads."""
    actions = np.random.default_rng(0).choice(choice, size=(64, num_envs))
    steps, start, cpu_start = 0, time.perf_counter(), time.process_time()
    while (elapsed := time.perf_counter() - start) < seconds:
        step(actions[steps % 64])
        steps += 1
    return steps * num_envs / elapsed, steps * num_envs / (time.process_time() - cpu_start)


def ours(num_envs: int, num_threads: int) -> Callable[[np.ndarray], Any]:
    envs = make_vec(f"procgen/coinrun-easy/0:{LEVELS}", num_envs, 0, num_threads=num_threads)
    envs.reset()
    return envs.step


@functools.cache
def envpool_module() -> Any:
    try:
        return importlib.import_module("envpool")
    except ImportError as error:
        print(f"envpool is not compared: {error}")
        return None


def envpools(num_envs: int, num_threads: int) -> Callable[[np.ndarray], Any] | None:
    envpool = envpool_module()
    if envpool is None:
        return None
    envs = envpool.make(
        "CoinrunEasy-v0",
        env_type="gymnasium",
        num_envs=num_envs,
        num_threads=num_threads,
        num_levels=LEVELS,
        start_level=0,
        channel_first=False,
        seed=0,
    )
    envs.reset()
    return lambda action: envs.step(action.astype(np.int32))


def throughput(player: str, num_envs: int, seconds: float, rounds: int) -> list[dict[str, Any]]:
    players: dict[tuple[str, int], Callable[[np.ndarray], Any]] = {}
    for num_threads in (0, 1, 2):
        players["fvm_envs", num_threads] = ours(num_envs, num_threads)
        theirs = envpools(num_envs, num_threads) if num_threads else None
        if theirs is not None:
            players["envpool", num_threads] = theirs
    rates: dict[tuple[str, int], list[tuple[float, float]]] = {key: [] for key in players}
    for round_ in range(rounds):  # Every other round backwards: no player always follows the same one.
        for key in list(players)[:: 1 if round_ % 2 else -1]:
            rates[key].append(steps_per_second(players[key], num_envs, PLAYERS[player], seconds))
    rows = []
    for (name, num_threads), values in rates.items():
        row = {
            "what": f"coinrun-easy, {player}",
            "library": name,
            "num_envs": num_envs,
            "num_threads": num_threads,
            "env_steps_per_s": round(statistics.median(wall for wall, _ in values)),
            "env_steps_per_cpu_s": round(statistics.median(cpu for _, cpu in values)),
        }
        rival = rates.get(("envpool", num_threads))
        if name == "fvm_envs" and rival:
            for i, ratio in enumerate(("ratio_wall", "ratio_cpu")):
                row[ratio] = round(
                    statistics.median(a[i] / b[i] for a, b in zip(values, rival, strict=True)), 3
                )
        rows.append(row)
    return rows


def toy(seconds: float) -> dict[str, Any]:
    envs = make_vec("toy/catch/0:96", 32, 0)
    envs.reset()
    rate, _ = steps_per_second(envs.step, 32, (0, 1, 2), seconds)
    return {"what": "toy/catch", "num_envs": 32, "env_steps_per_s": round(rate)}


def milliseconds(call: Callable[[], Any], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append((time.perf_counter() - start) * 1e3)
    return round(statistics.median(times), 3)


def moves_and_states() -> dict[str, Any]:
    num_envs = 64
    envs = make_vec("procgen/coinrun-easy/0:10000", num_envs, 0, on_episode_end="stay")
    envs.reset()
    position = itertools.count()

    def swap(slots: int, num_levels: int) -> None:
        tasks = [envs.tasks[next(position) % num_levels] for _ in range(num_envs)]
        envs.reset(options={"reset_mask": np.arange(num_envs) < slots, "tasks": tasks})

    look = milliseconds(lambda: swap(0, 1), 200)
    state = envs.state_dict()
    fresh = make_vec("procgen/coinrun-easy/0:10000", num_envs, 0, on_episode_end="stay")
    return {
        "what": "coinrun-easy, 64 slots",
        "swap_to_a_new_level_ms": milliseconds(lambda: swap(1, 10_000), 150),
        "swap_to_a_kept_level_ms": milliseconds(lambda: swap(1, 10), 150),
        "reset_without_swap_ms": look,
        "state_dict_ms": milliseconds(envs.state_dict, 10),
        "load_state_dict_ms": milliseconds(lambda: fresh.load_state_dict(state), 10),
        "state_mb": round(state["own"]["native"].nbytes / 1e6, 2),
        "frame_512_ms": milliseconds(lambda: envs.render_slot(0), 20),
    }


def audit() -> dict[str, Any]:
    train = TaskSet.parse("procgen/coinrun-easy/0:10000")
    held_out = TaskSet.parse("procgen/coinrun-easy/10000:10020")
    start = time.perf_counter()
    found = leaked(train, held_out)
    wall_s = time.perf_counter() - start
    return {
        "what": "leak audit, 20 held-out levels against 10,000",
        "leaked": len(found),
        "wall_s": round(wall_s, 2),
        "levels_per_s": round((len(train) + len(held_out)) / wall_s),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=1.0, help="of one measurement")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each player")
    parser.add_argument("--num-envs", type=int, nargs="+", default=[1, 64, 256])
    parser.add_argument("--json", help="write the rows here too")
    args = parser.parse_args()
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, "
        f"Python {platform.python_version()}, numpy {np.__version__}"
    )
    rows: list[dict[str, Any]] = []
    for num_envs in args.num_envs:
        for player in PLAYERS:
            rows += throughput(player, num_envs, args.seconds, args.rounds)
    rows += [toy(args.seconds), moves_and_states(), audit()]
    for row in rows:
        print("  ".join(f"{key}={value}" for key, value in row.items()))
    if args.json:
        with open(args.json, "w") as file:
            json.dump(rows, file, indent=1)


if __name__ == "__main__":
    main()
