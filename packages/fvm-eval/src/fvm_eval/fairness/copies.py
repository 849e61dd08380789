"""Two checkpoints with the very same episodes: one run counted twice, or one run under two names."""

from __future__ import annotations

from collections.abc import Mapping
from math import lgamma, log, log2
from typing import Any

import polars as pl

_SURPRISE_BITS = 60  # of two checkpoints' episodes in one order: beyond any number of pairs compared
_UNLIKELY_BITS = 30  # of scores that no other checkpoint has
_CHECKPOINT = ["method", "fold", "checkpoint"]
_POINT = [*_CHECKPOINT, "task", "env_step"]


def copied(runs: pl.DataFrame, episodes: pl.DataFrame) -> str:
    """Returns which checkpoints have the very same episodes, where chance cannot explain it; empty if none.

    The order of a point's scores, given how often each occurs, is one of n! / prod k_i!; that they occur so
    often is no likelier than n! / prod k_i! prod (k_i / n)^k_i, whatever the agent; and a score that no other
    checkpoint has is rare. Checkpoints that share all of it, in this order or another, are one run counted
    twice, unless their agents are the same or their tasks leave nothing to chance.

    Args:
        runs: Curves of the episodes (`fvm_eval.curves.run_curves`), which tell most checkpoints apart.
        episodes: Of the table.
    """
    alike = _alike(runs)
    if alike.is_empty():
        return ""
    points = _points(episodes.join(alike, on=_CHECKPOINT, how="semi"))
    whole = (
        points.with_columns(told=pl.struct("task", "env_step", pl.col("score").list.sort().hash()).hash())
        .group_by(_CHECKPOINT, maintain_order=True)
        .agg(told=pl.col("told").sort())
    )
    for _, same in whole.sort("method", maintain_order=True).group_by("told", maintain_order=True):
        for first, second in _pairs(same):
            mine, other = (points.filter(_is(row)).sort(_POINT) for row in (first, second))
            in_order = mine["score"].equals(other["score"])
            rest = ~(_is(first) | _is(second))
            if (
                sum(map(orders if in_order else _rarity, mine["score"])) > _SURPRISE_BITS
                or _chance(mine, _points(episodes.filter(rest))) > _UNLIKELY_BITS
            ):
                shown = "the very same episodes as" if in_order else "the same episodes, in another order, as"
                who = f"{second['checkpoint']} of {second['method']} has {shown} {first['checkpoint']}"
                if first["method"] != second["method"]:
                    return f"{who} of {first['method']}: one run under two names?"
                return f"{who}: one run counted twice?"
    return ""


def _pairs(same: pl.DataFrame) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Returns the first two checkpoints of each method, and the first of two methods."""
    firsts = same.unique(_CHECKPOINT, maintain_order=True).group_by("method", maintain_order=True).head(2)
    by_method = [mine.rows(named=True) for _, mine in firsts.group_by("method", maintain_order=True)]
    pairs = [(mine[0], mine[1]) for mine in by_method if len(mine) > 1]
    pairs += [(by_method[0][0], by_method[1][0])] if len(by_method) > 1 else []
    return pairs


def _is(row: Mapping[str, Any]) -> pl.Expr:
    return pl.all_horizontal([pl.col(name) == row[name] for name in _CHECKPOINT])


def _alike(runs: pl.DataFrame) -> pl.DataFrame:
    """Returns the checkpoints that have another one's mean scores throughout."""
    value = pl.col("value").round_sig_figs(12)  # a sum in another order differs in its last digits
    told = runs.select(*_CHECKPOINT, told=pl.struct("task", "env_step", value).hash())
    each = told.group_by(_CHECKPOINT, maintain_order=True).agg(pl.col("told").sort())
    return each.filter(pl.len().over(pl.col("told").list.eval(pl.element().hash()).hash()) > 1)


def _points(episodes: pl.DataFrame) -> pl.DataFrame:
    """Returns each point's scores in the order of its episodes."""
    return episodes.sort([*_POINT, "episode"]).group_by(_POINT, maintain_order=True).agg("score")


def orders(scores: pl.Series) -> float:
    """Returns the logarithm to base 2 of the number of orders that these scores can come in."""
    counts = scores.value_counts()["count"].to_list()
    return (lgamma(len(scores) + 1) - sum(lgamma(count + 1) for count in counts)) / log(2)


def _rarity(scores: pl.Series) -> float:
    """Returns -log2 of the largest chance that an agent can have of scores that occur so often."""
    counts = scores.value_counts()["count"].to_list()
    return float(sum(count * log2(len(scores) / count) for count in counts)) - orders(scores)


def _chance(mine: pl.DataFrame, others: pl.DataFrame) -> float:
    """Returns -log2 of the chance that another run has these scores, of those that nobody else has at all.

    Each such score is as rare as one more among all of the others'. A score that comes twice at a point says
    nothing the second time, and nothing at all where no episode of the point has another.
    """
    seen = {value for scores in others["score"] for value in scores}
    bits = log2(sum(map(len, others["score"])) + 1)
    told = [set(scores) for scores in mine["score"] if len(scores) == 1 or len(set(scores)) > 1]
    return bits * sum(len(values - seen) for values in told)
