"""Score ranges that make returns of different games comparable.

Procgen: R_min and R_max of Cobbe et al. 2020, "Leveraging Procedural Generation to Benchmark Reinforcement
Learning", appendix C (arXiv 1912.01588): R_min is what a policy without observations reaches, R_max the best
possible return, or what a well trained agent reaches. Atari: random and human play (`SCORES` there says
whose). RLBench and Apple: the share of episodes that are solved. Two stages: the share of balls caught. Toy:
0 and the best return of the task.
"""

from __future__ import annotations

from types import MappingProxyType

from fvm_envs.atari.games import SCORES, game_of
from fvm_envs.procgen.games import parse_name
from fvm_envs.task import Task
from fvm_envs.toy.catch import best_return

PROCGEN_EASY = MappingProxyType(
    {
        "coinrun": (5.0, 10.0),
        "starpilot": (2.5, 64.0),
        "caveflyer": (3.5, 12.0),
        "dodgeball": (1.5, 19.0),
        "fruitbot": (-1.5, 32.4),
        "chaser": (0.5, 13.0),
        "miner": (1.5, 13.0),
        "jumper": (3.0, 10.0),
        "leaper": (3.0, 10.0),
        "maze": (5.0, 10.0),
        "bigfish": (1.0, 40.0),
        "heist": (3.5, 10.0),
        "climber": (2.0, 12.6),
        "plunder": (4.5, 30.0),
        "ninja": (3.5, 10.0),
        "bossfight": (0.5, 13.0),
    }
)
PROCGEN_HARD = MappingProxyType(
    {
        "coinrun": (5.0, 10.0),
        "starpilot": (1.5, 35.0),
        "caveflyer": (2.0, 13.4),
        "dodgeball": (1.5, 19.0),
        "fruitbot": (-0.5, 27.2),
        "chaser": (0.5, 14.2),
        "miner": (1.5, 20.0),
        "jumper": (1.0, 10.0),
        "leaper": (1.5, 10.0),
        "maze": (4.0, 10.0),
        "bigfish": (0.0, 40.0),
        "heist": (2.0, 10.0),
        "climber": (1.0, 12.6),
        "plunder": (3.0, 30.0),
        "ninja": (2.0, 10.0),
        "bossfight": (0.5, 13.0),
    }
)


def score_range(task: Task) -> tuple[float, float]:
    """The returns of a task that count as 0 and as 1.

    Raises:
        ValueError: If no range is known: Procgen's is published for easy and hard levels only.
    """
    if task.benchmark == "toy":
        return 0.0, best_return(task)
    if task.benchmark == "procgen":
        game, mode = parse_name(task.name)
        ranges = {"easy": PROCGEN_EASY, "hard": PROCGEN_HARD}.get(mode)
        if ranges is None:
            raise ValueError(f"no score range is published for {task.id}: use the easy or the hard mode")
        return ranges[game]
    if task.benchmark == "atari":
        return SCORES[game_of(task)]
    if task.benchmark in ("rlbench", "apple", "two-stage"):
        return 0.0, 1.0
    raise ValueError(
        f"no score range is known for {task.id}: expected a task of procgen, atari, rlbench, toy, two-stage "
        "or apple"
    )
