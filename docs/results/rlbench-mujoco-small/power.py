"""Prints how often the study finds a difference: on one task, and in the mean over its three.

Simulated: five agents of each method on each task, whose success rates are normal about the method's (kept
within 0 and 1; tasks lie .1 apart), 100 episodes each. The interval is the report's.
"""

import numpy as np
import polars as pl
from fvm_eval.statistics.contrasts import contrast

STUDIES, AGENTS, EPISODES = 100, 5, 100
BASE = 0.3
TASKS = {"easy": 0.1, "middling": 0.0, "hard": -0.1}


def cells(method: str, mean: float, sd: float, rng: np.random.Generator) -> pl.DataFrame:
    """Returns a method's success rates at the budget."""
    rows = []
    for fold, (task, away) in enumerate(TASKS.items()):
        for seed in range(AGENTS):
            rate = np.clip(mean + away + sd * rng.normal(), 0, 1)
            share = rng.binomial(EPISODES, rate) / EPISODES
            rows.append((method, fold, seed, f"{method}/{seed}/{task}", task, share, EPISODES))
    names = ["method", "fold", "seed", "checkpoint", "task", "value", "won_of"]
    return pl.DataFrame(rows, schema=names, orient="row")


def found(difference: float, sd: float, tasks: list[str], rng: np.random.Generator) -> int:
    """Returns in how many studies the interval of a difference lies above 0."""
    count = 0
    for _ in range(STUDIES):
        arms = {"ours": cells("ours", BASE + difference, sd, rng), "theirs": cells("theirs", BASE, sd, rng)}
        arms = {name: table.filter(pl.col("task").is_in(tasks)) for name, table in arms.items()}
        low = contrast(arms, {"ours": 1.0, "theirs": -1.0}, score_bounds=(0.0, 1.0)).interval().low
        count += low is not None and low > 0
    return count


if __name__ == "__main__":
    rng = np.random.default_rng(0)
    print(f"of {STUDIES} studies the difference is found in\n  sd  difference  one task  mean of three")
    for sd in (0.15, 0.25):
        for difference in (0.2, 0.3, 0.4, 0.5):
            one, mean = (found(difference, sd, tasks, rng) for tasks in (["middling"], list(TASKS)))
            print(f"{sd:4.2f} {difference:11.1f} {one:9d} {mean:14d}")
