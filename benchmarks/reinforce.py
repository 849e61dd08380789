"""What several agents side by side cost beside one: AppleRetrieval's learner, plain and with each retention.

    uv run python benchmarks/reinforce.py [--agents 8] [--episodes 300] [--rounds 5]

Prints processor milliseconds of an episode with its update, of one agent and of all together, and the ratio.
Both live in one process and take turns, so that a busy machine slows both; numbers are medians over rounds.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import numpy as np
import torch
from fvm_envs import TaskSet, make_vec
from fvm_eval import Budget
from fvm_meta import MultiTask
from fvm_meta.retention import BCConfig, EWCConfig, KSConfig
from fvm_meta.worlds.reinforce import Reinforce, ReinforceConfig

STEPS, BLOCK = 100, 20  # of an episode; episodes of an iteration
TEACHING = 200  # episodes on the way back
RETENTIONS: dict[str, tuple[Any, ...]] = {
    "plain": (),
    "BC": (BCConfig(coef=1000.0, states=16, batch_size=16),),
    "EWC, full": (EWCConfig(coef=8.0, mode="full", states=16),),
    "KS": (KSConfig(coef=100.0, decay=1.0),),
}


def paradigm(agents: int, retain: tuple[Any, ...]) -> MultiTask:
    """Returns multi-task learning with REINFORCE for so many agents."""
    config = ReinforceConfig(num_steps=BLOCK * STEPS, episode_steps=STEPS, agents=agents)

    def make_learner(*spaces: Any, seed: int, hooks: Any = (), **options: Any) -> Reinforce:
        return Reinforce(*spaces, config, seed=seed, hooks=hooks)

    def make_envs(tasks: Any, *, seed: int, on_episode_end: Any, **options: Any) -> Any:
        return make_vec(TaskSet(tasks), agents, seed, on_episode_end=on_episode_end)

    return MultiTask(make_learner, make_envs, retain=retain, retained_tasks=("apple/back/30",))


def taught(agents: int) -> Any:
    """Returns the last snapshot of a short pretraining."""
    budget = Budget(env_steps=TEACHING * STEPS * agents)
    *_, last = paradigm(agents, ()).pretrain(("apple/back/30",), budget, np.random.default_rng(0))
    return last


def episode_ms(agents: int, teacher: Any, retain: tuple[Any, ...], episodes: int) -> float:
    """Returns processor milliseconds of an episode of every agent, and the update on it."""
    budget = Budget(env_steps=episodes * STEPS * agents)
    started = time.process_time()
    for _ in paradigm(agents, retain).adapt(
        teacher, "apple/out-and-back/30", budget, np.random.default_rng(1), at=()
    ):
        pass
    return 1000 * (time.process_time() - started) / episodes


def main() -> None:
    """Measures, and prints a line a retention."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--agents", type=int, default=8)
    parser.add_argument("--episodes", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    counts = (1, asked.agents)
    teachers = {count: taught(count) for count in counts}
    for name, retain in RETENTIONS.items():
        rounds = [
            [episode_ms(count, teachers[count], retain, asked.episodes) for count in counts]
            for _ in range(asked.rounds)
        ]
        one, together = (statistics.median(column) for column in zip(*rounds, strict=True))
        ratio = statistics.median(each / alone for alone, each in rounds)
        print(f"{name:10} one agent {one:.3f} ms  {asked.agents} agents {together:.3f} ms  ratio {ratio:.2f}")


if __name__ == "__main__":
    main()
