"""Two checkpoints with the very same episodes: one run counted twice, which makes intervals too narrow."""

from __future__ import annotations

from math import lgamma, log, log2

import polars as pl

_SURPRISE_BITS = 60  # of two checkpoints' episodes in one order: beyond any number of pairs compared
_UNLIKELY_BITS = 30  # of scores that no other checkpoint has
_CHECKPOINT = ["method", "fold", "checkpoint"]
_POINT = [*_CHECKPOINT, "task", "env_step"]


def copied(runs: pl.DataFrame, episodes: pl.DataFrame) -> str:
    """Returns which checkpoints have the very same episodes, where chance cannot explain it; empty if none.

    The order of a point's scores, given how often each occurs, is one of n! / prod k_i!; and a score that no
    other checkpoint has is rare. Checkpoints that share all of it are one run counted twice, unless their
    agents are the same or their tasks leave nothing to chance.

    Args:
        runs: Curves of the episodes (`fvm_eval.curves.run_curves`), which tell most checkpoints apart.
        episodes: Of the table.
    """
    points = _points(episodes.join(_alike(runs), on=_CHECKPOINT, how="semi"))
    whole = (
        points.with_columns(told=pl.struct("task", "env_step", pl.col("score").hash()).hash())
        .group_by(_CHECKPOINT, maintain_order=True)
        .agg(told=pl.col("told").sort())
    )
    for (method, _), same in whole.group_by("method", "told", maintain_order=True):
        if len(same) > 1:
            first, second = same["checkpoint"][:2]
            if first == second:
                continue
            of_method = pl.col("method") == method
            mine = points.filter(of_method & (pl.col("checkpoint") == first))
            rest = ~(of_method & pl.col("checkpoint").is_in([first, second]))
            if (
                sum(map(_orders, mine["score"])) > _SURPRISE_BITS
                or _chance(mine, _points(episodes.filter(rest))) > _UNLIKELY_BITS
            ):
                return f"{second} of {method} has the very same episodes as {first}: one run counted twice?"
    return ""


def _alike(runs: pl.DataFrame) -> pl.DataFrame:
    """Returns the checkpoints that have another one's mean scores throughout."""
    told = runs.select(*_CHECKPOINT, told=pl.struct("task", "env_step", "value").hash())
    each = told.group_by(_CHECKPOINT, maintain_order=True).agg(pl.col("told").sort())
    return each.filter(pl.len().over("method", pl.col("told").list.eval(pl.element().hash()).hash()) > 1)


def _points(episodes: pl.DataFrame) -> pl.DataFrame:
    """Returns each point's scores in the order of its episodes."""
    return episodes.sort([*_POINT, "episode"]).group_by(_POINT, maintain_order=True).agg("score")


def _orders(scores: pl.Series) -> float:
    """Returns the logarithm to base 2 of the number of orders that these scores can come in."""
    counts = scores.value_counts()["count"].to_list()
    return (lgamma(len(scores) + 1) - sum(lgamma(count + 1) for count in counts)) / log(2)


def _chance(mine: pl.DataFrame, others: pl.DataFrame) -> float:
    """Returns -log2 of the chance that another run has these scores, of those that nobody else has at all.

    Each such score is as rare as one more among all of the others'. A score that comes twice at a point says
    nothing the second time, and nothing at all where no episode of the point has another.
    """
    seen = {value for scores in others["score"] for value in scores}
    bits = log2(sum(map(len, others["score"])) + 1)
    told = [set(scores) for scores in mine["score"] if len(scores) == 1 or len(set(scores)) > 1]
    return bits * sum(len(values - seen) for values in told)
