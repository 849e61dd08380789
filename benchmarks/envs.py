"""Environment throughput, the cost of moving a slot, of saving a state, and of a leak audit.

    uv run python benchmarks/envs.py [--only procgen atari toy] [--seconds 1] [--rounds 5] [--json out.json]

Compares Procgen with envpool's at the same game, levels, actions, number of environments and threads, turn by
turn in one run, where envpool can be imported (it needs the system's libQt5Gui), and says so where not; Atari
with ale-py's AtariVectorEnv, one of its instances a game. A number is the median over rounds; a ratio is the
median of the rounds' ratios: `ratio_wall` of env steps per second, `ratio_cpu` of env steps per second of
processor time, which other processes hardly disturb.
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

BENCHMARKS = ("procgen", "atari", "toy")
LEVELS = 200
GAMES = ("pong", "breakout", "ms_pacman", "seaquest")
SLOTS = 8
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
    return race(players, "envpool", f"coinrun-easy, {player}", num_envs, PLAYERS[player], seconds, rounds)


def race(
    players: dict[tuple[str, int], Callable[[np.ndarray], Any]],
    rival: str,
    what: str,
    num_envs: int,
    choice: tuple[int, ...],
    seconds: float,
    rounds: int,
) -> list[dict[str, Any]]:
    """Throughput of players, which are libraries at numbers of threads, and ours over that of the rival."""
    rates: dict[tuple[str, int], list[tuple[float, float]]] = {key: [] for key in players}
    for round_ in range(rounds):  # Every other round backwards: no player always follows the same one.
        for key in list(players)[:: 1 if round_ % 2 else -1]:
            rates[key].append(steps_per_second(players[key], num_envs, choice, seconds))
    rows = []
    for (name, num_threads), values in rates.items():
        row = {
            "what": what,
            "library": name,
            "num_envs": num_envs,
            "num_threads": num_threads,
            "env_steps_per_s": round(statistics.median(wall for wall, _ in values)),
            "env_steps_per_cpu_s": round(statistics.median(cpu for _, cpu in values)),
        }
        theirs = rates.get((rival, num_threads))
        if name == "fvm_envs" and theirs:
            for i, ratio in enumerate(("ratio_wall", "ratio_cpu")):
                row[ratio] = round(
                    statistics.median(a[i] / b[i] for a, b in zip(values, theirs, strict=True)), 3
                )
        rows.append(row)
    return rows


def ale(games: tuple[str, ...], num_threads: int) -> Callable[[np.ndarray], Any]:
    """One native instance a game, all their environments stepped, images as ours."""
    from ale_py import AtariVectorEnv

    share = SLOTS // len(games)
    made = [
        AtariVectorEnv(
            game,
            share,
            num_threads=num_threads,
            full_action_space=True,
            reward_clipping=False,
            use_fire_reset=False,
        )
        for game in games
    ]
    for envs in made:
        envs.reset(seed=0)

    def step(action: np.ndarray) -> np.ndarray:
        for envs, part in zip(made, action.reshape(len(games), share), strict=True):
            envs.send(part)
        return np.moveaxis(np.concatenate([envs.recv()[0] for envs in made]), 1, -1)

    return step


def atari(seconds: float, rounds: int) -> list[dict[str, Any]]:
    rows = []
    for games in (GAMES[:1], GAMES):
        players: dict[tuple[str, int], Callable[[np.ndarray], Any]] = {}
        for num_threads in (1, 2):
            envs = make_vec(
                [f"atari/{game}" for game in games],
                SLOTS,
                0,
                on_episode_end="stay",
                num_threads=num_threads,
            )
            envs.reset(
                options={"tasks": [f"atari/{game}" for game in games for _ in range(SLOTS // len(games))]}
            )
            players["fvm_envs", num_threads] = envs.step
            if num_threads == 1 or len(games) == 1:  # instances of several games run side by side anyway
                players["AtariVectorEnv", num_threads] = ale(games, num_threads)
        what = f"atari, {len(games)} game{'s' * (len(games) > 1)}"
        rows += race(players, "AtariVectorEnv", what, SLOTS, tuple(range(18)), seconds, rounds)
    return [*rows, atari_moves()]


def atari_moves() -> dict[str, Any]:
    """What it costs a slot to begin an episode: with a new game, with a new seed, otherwise."""
    envs = make_vec([f"atari/{game}" for game in GAMES], 1, 0)
    turn, seeds = itertools.count(), itertools.count()

    def begin(seed: list[int] | None) -> None:
        task = envs.tasks[next(turn) % len(GAMES)]
        envs.reset(seed=seed, options={"tasks": [task]})

    return {
        "what": "atari, beginning an episode",
        "first_of_a_game_cpu_ms": milliseconds(lambda: begin(None), len(GAMES), time.process_time),
        "seeded_cpu_ms": milliseconds(lambda: begin([next(seeds)]), 12, time.process_time),
        "unseeded_cpu_ms": milliseconds(lambda: begin(None), 40, time.process_time),
        "frame_504_ms": milliseconds(lambda: envs.render_slot(0), 20),
    }


def toy(seconds: float) -> dict[str, Any]:
    envs = make_vec("toy/catch/0:96", 32, 0)
    envs.reset()
    rate, _ = steps_per_second(envs.step, 32, (0, 1, 2), seconds)
    return {"what": "toy/catch", "num_envs": 32, "env_steps_per_s": round(rate)}


def milliseconds(
    call: Callable[[], Any], repeats: int, clock: Callable[[], float] = time.perf_counter
) -> float:
    times = []
    for _ in range(repeats):
        start = clock()
        call()
        times.append((clock() - start) * 1e3)
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
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, default=BENCHMARKS)
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
    if "procgen" in args.only:
        for num_envs in args.num_envs:
            for player in PLAYERS:
                rows += throughput(player, num_envs, args.seconds, args.rounds)
        rows += [moves_and_states(), audit()]
    if "atari" in args.only:
        rows += atari(args.seconds, args.rounds)
    if "toy" in args.only:
        rows.append(toy(args.seconds))
    for row in rows:
        print("  ".join(f"{key}={value}" for key, value in row.items()))
    if args.json:
        with open(args.json, "w") as file:
            json.dump(rows, file, indent=1)


if __name__ == "__main__":
    main()
