"""How often a fixed player solves a task: episodes are its only sample, so the interval is binomial.

A trained agent's interval is over its pretrainings instead (`fvm_eval.statistics.intervals`).
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from fvm_eval.statistics.bounded import binomial_limits
from fvm_eval.table import TableError

LEVEL = 0.95
COLUMNS = ("player", "task", "episode", "score")


@dataclass(frozen=True)
class Rate:
    """Part of the episodes that a player solved, with its exact 95 % interval (Clopper and Pearson, 1934).

    Attributes:
        player: Its name.
        task: Its id, or "" for all tasks with equal weight.
        solved: Episodes.
        episodes: Of which.
        low, high: Limits of the part.
    """

    player: str
    task: str
    solved: int
    episodes: int
    low: float
    high: float

    @property
    def part(self) -> float:
        """Of the episodes, those solved."""
        return self.solved / self.episodes


def success_rates(episodes: pl.DataFrame) -> list[Rate]:
    """Returns each player's rate on each task, then on all tasks, in the table's order.

    The interval over all tasks takes their episodes as alike; where tasks differ it is wider than need be
    (Hoeffding 1956).

    Args:
        episodes: Columns player, task, episode, score: 1.0 where the episode was solved, else 0.0.

    Raises:
        TableError: A column is missing, a score is neither 0 nor 1, an episode comes twice, or a player has
            more episodes of one task than of another, so that tasks would not have equal weight.
    """
    if missing := [name for name in COLUMNS if name not in episodes.columns]:
        raise TableError(f"the table of players lacks the columns {', '.join(missing)}")
    if not episodes["score"].is_in([0.0, 1.0]).all():
        raise TableError("a player's score is neither 0 nor 1, so it has no success rate")
    if episodes.select(COLUMNS[:3]).is_duplicated().any():
        raise TableError("an episode of a player comes more than once; each may be counted once only")
    rates = []
    for (player,), mine in episodes.group_by("player", maintain_order=True):
        solved = pl.col("score").cast(pl.Int64).sum()
        counts = mine.group_by("task", maintain_order=True).agg(solved, pl.len())
        if counts["len"].n_unique() > 1:
            raise TableError(f"{player} has more episodes of one task than of another; give each as many")
        rates += [_rate(str(player), *row) for row in counts.iter_rows()]
        rates.append(_rate(str(player), "", int(counts["score"].to_numpy().sum()), len(mine)))
    return rates


def _rate(player: str, task: str, solved: int, episodes: int) -> Rate:
    low, high = binomial_limits(solved, episodes, level=LEVEL)
    return Rate(player, task, solved, episodes, low, high)
