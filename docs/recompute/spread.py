"""What checkpoints share, and the bands of performance profiles: again by numpy and scipy, nothing of fvm."""

from __future__ import annotations

import numpy as np
import polars as pl
from formulas import UNIT, freedom, redrawn
from scipy import stats

RESAMPLES, SEED = 2_000, 0


def shared(arm: pl.DataFrame) -> dict[str, float | None] | None:
    """Returns the parts of a two-way analysis of variance, checkpoints by tasks; None without enough of them.

    The mean square of checkpoints holds m times the shared variance and the residual one. The limits of the
    correlation are those of the F ratio (McGraw & Wong 1996), where all checkpoints have as many tasks.
    """
    if redrawn(arm):
        return None
    between = within = share = 0.0
    df_between = df_within = 0
    widths = set()
    for _, table in tables(arm):
        n, m = table.shape
        if n < 2 or m < 2:
            continue
        rows, columns = table.mean(1, keepdims=True), table.mean(0, keepdims=True)
        between += float(((rows - table.mean()) ** 2).sum())
        within += float(((table - rows - columns + table.mean()) ** 2).sum())
        share += (n - 1) / m
        df_between, df_within = df_between + n - 1, df_within + (n - 1) * (m - 1)
        widths.add(m)
    if not df_within:
        return None
    residual = within / df_within
    common = max(0.0, (between - share * residual) / df_between)
    found: dict[str, float | None] = {"shared_sd": common**0.5, "residual_sd": residual**0.5}
    found |= {
        "icc": common / (common + residual) if common + residual > 0 else 0.0,
        "low": None,
        "high": None,
    }
    if len(widths) == 1 and residual > 0:
        m, ratio = widths.pop(), between / df_between / residual
        for name, quantile in (("low", 0.975), ("high", 0.025)):
            f = m * ratio / stats.f.ppf(quantile, df_between, df_within)
            found[name] = max(0.0, float((f - 1) / (f + m - 1)))
    return found


def profile(arm: pl.DataFrame, thresholds: list[float]) -> tuple[list[float], list[float], list[float]]:
    """Returns the share of runs above each threshold, and its band by the widened cluster bootstrap.

    Checkpoints are drawn within strata by numpy's `default_rng(0).multinomial`, a stratum after the other.
    """
    rng, strata = np.random.default_rng(SEED), tables(arm)
    above = [table[:, :, None] > np.array(thresholds) for _, table in strata]  # [checkpoints, tasks, K]
    cells = sum(part.shape[0] * part.shape[1] for part in above)
    share = sum(part.sum((0, 1)) for part in above) / cells
    won, drawn = np.zeros((RESAMPLES, len(thresholds))), np.zeros((RESAMPLES, 1))
    for part in above:
        n, m, _ = part.shape
        counts = rng.multinomial(n, np.full(n, 1 / n), RESAMPLES)
        won += counts @ part.sum(1)
        drawn += counts.sum(1, keepdims=True) * m
    low, high = np.quantile(won / drawn, [0.025, 0.975], axis=0)
    tasks = len({task for names, _ in strata for task in names})
    parts = [
        ((table.shape[1] / tasks) ** 2 * table.mean(1).var(ddof=1) / len(table), len(table) - 1)
        for _, table in strata
    ]
    df = freedom(parts) if sum(v for v, _ in parts) > 1e-24 else float(sum(n for _, n in parts))
    fewest = min(n for _, n in parts) + 1
    wider = np.sqrt(fewest / (fewest - 1)) * stats.t.ppf(0.975, df) / stats.norm.ppf(0.975)
    band = share - wider * (share - low), share + wider * (high - share)
    return share.tolist(), np.maximum(band[0], 0.0).tolist(), np.minimum(band[1], 1.0).tolist()


def tables(arm: pl.DataFrame) -> list[tuple[tuple[str, ...], np.ndarray]]:
    """Returns each stratum's tasks and its values [checkpoints, tasks], by its last checkpoint.

    Where each checkpoint drew tasks of its own they are numbered.
    """
    cells = arm.group_by(*UNIT, "task").agg(pl.col("value").mean()).sort(*UNIT, "task")
    units = cells.group_by(UNIT, maintain_order=True).agg("task", "value")
    found: dict[tuple[str, ...], list[list[float]]] = {}
    if redrawn(arm):
        table = np.array(units["value"].to_list())
        return [(tuple(map(str, range(table.shape[1]))), table)]
    for tasks, values in units.select("task", "value").iter_rows():
        found[tuple(tasks)] = [*found.pop(tuple(tasks), []), values]  # the last one touched goes last
    return [(tasks, np.array(rows)) for tasks, rows in found.items()]
