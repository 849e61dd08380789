"""The replay alone: sampling, priorities and appending, at Atari's size.

    uv run python benchmarks/replay.py [--capacity 100000] [--filled 30000] [--rounds 9]

One thread, batches of 32 transitions of 84 x 84 x 4 bytes, n-step 3 and 20, one slot and eight. Numbers are
transitions per second of processor time, which other processes disturb less than they do the clock; medians
over rounds in which all take turns. `copy` is the floor: the same number of bytes gathered or stored by
numpy, without a replay around them.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from fvm_learners.replay import Replay

SHAPE, STACK, BATCH, EPISODE = (84, 84, 4), 4, 32, 300


class Player:
    """Slots that append episodes of noise; `append` adds a step of each."""

    def __init__(self, replay: Replay, num_slots: int) -> None:
        rng = np.random.default_rng(0)
        self.replay, self.slots, self.t = replay, np.arange(num_slots), 0
        self.frames = rng.integers(1, 256, (97, num_slots, *SHAPE[:2], STACK), dtype=np.uint8)
        for i in range(97):  # what an env that stacks shows
            for k in range(STACK - 1):
                self.frames[i, ..., k] = self.frames[i - STACK + 1 + k, ..., -1]
        self.action = rng.integers(0, 18, (97, num_slots))
        self.reward = rng.random((97, num_slots))

    def append(self) -> None:
        t, num = self.t, len(self.slots)
        obs = self.frames[t % 97]
        in_episode = t % EPISODE
        if in_episode < STACK - 1:
            obs = obs.copy()
            obs[..., : STACK - 1 - in_episode] = 0
        done, start = np.full(num, in_episode == EPISODE - 1), np.full(num, in_episode == 0)
        self.replay.append(self.slots, obs, self.action[t % 97], self.reward[t % 97], done, start)
        self.t += 1


def cpu_seconds(function: Callable[[], object], times: int) -> float:
    start = time.process_time()
    for _ in range(times):
        function()
    return (time.process_time() - start) / times


def cases(
    capacity: int, filled: int, n_step: int, num_slots: int
) -> dict[str, tuple[Callable[[], object], int]]:
    """{name: (what is timed, transitions in it)}."""
    replay = Replay(
        capacity, SHAPE, torch.uint8, frame_stack=STACK, n_step=n_step, discount=0.99, priority_exponent=0.5
    )
    player = Player(replay, num_slots)
    while replay.env_steps < filled:
        player.append()
    rng = np.random.default_rng(0)
    rows = np.flatnonzero(replay._tree.priorities > 0)
    replay.update_priorities(rows, rng.random(len(rows)))

    def sample() -> None:
        drawn, _ = replay.draw(BATCH, rng)
        replay.transitions(drawn)

    drawn, _ = replay.draw(BATCH, rng)
    loss = rng.random(BATCH)
    size = SHAPE[0] * SHAPE[1]
    plain = np.zeros((filled, size), dtype=np.uint8)
    plain[:] = rng.integers(0, 256, size, dtype=np.uint8)
    index = rng.integers(0, filled, (50, 2 * BATCH * STACK))
    turn = iter(range(10**9))
    frame = player.frames[0]

    def store() -> None:
        i = next(turn) * num_slots % (filled - num_slots)
        plain[i : i + num_slots] = frame[..., -1].reshape(num_slots, -1)

    return {
        "sample": (sample, BATCH),
        "copy (sample)": (lambda: plain[index[next(turn) % 50]], BATCH),
        "update priorities": (lambda: replay.update_priorities(drawn, loss), BATCH),
        "append": (player.append, num_slots),
        "copy (append)": (store, num_slots),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--capacity", type=int, default=100_000)
    parser.add_argument("--filled", type=int, default=30_000)
    parser.add_argument("--rounds", type=int, default=9)
    args = parser.parse_args()
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, numpy {np.__version__}, 1 thread, batch {BATCH}, {args.rounds} rounds")
    for num_slots in (1, 8):
        for n_step in (3, 20):
            timed = cases(args.capacity, args.filled, n_step, num_slots)
            seconds: dict[str, list[float]] = {name: [] for name in timed}
            for i in range(args.rounds + 1):
                for name, (function, _) in timed.items():
                    taken = cpu_seconds(function, 100)
                    if i:
                        seconds[name].append(taken)
            print(
                f"\n{num_slots} slot(s), n = {n_step}: transitions per CPU second, median (worst, best round)"
            )
            for name, (_, count) in timed.items():
                median, worst, best = (count / pick(seconds[name]) for pick in (statistics.median, max, min))
                print(f"  {name:18} {median:12,.0f}   ({worst:,.0f}, {best:,.0f})")
            for name in ("sample", "append"):
                floor = [a / b for a, b in zip(seconds[name], seconds[f"copy ({name})"], strict=True)]
                print(f"  {name}: {statistics.median(floor):.1f} times the floor")


if __name__ == "__main__":
    main()
