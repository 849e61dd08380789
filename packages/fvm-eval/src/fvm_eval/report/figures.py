"""The report's figures. Each is a function of the analysis and of whether the page is narrow.

Colours are Okabe and Ito's (2008), told apart by the colour-blind. Lines are labelled where they end
rather than in a legend. On a page the colours become CSS variables, so that figures follow its light or
dark scheme.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from fvm_eval.intervals import mean_interval
from fvm_eval.report.analysis import Analysis, Difference

METHOD_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c8c00", "#7f4f9f")
INK, MUTED, RULE, PAPER = "#1b1f24", "#5d6672", "#d5dae0", "#ffffff"
SETTINGS: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "axes.edgecolor": RULE,
    "axes.labelcolor": MUTED,
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": RULE,
    "ytick.color": RULE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "lines.linewidth": 2.0,
    "lines.solid_capstyle": "round",
}
MAX_PANELS = 24
_ONLINE_BINS = 20

Draw = Callable[[Analysis, bool], Figure]


def colour(analysis: Analysis, method: str) -> str:
    """Returns the colour a method has in every figure."""
    return METHOD_COLOURS[analysis.study.methods.index(method) % len(METHOD_COLOURS)]


def adaptation(analysis: Analysis, narrow: bool) -> Figure:
    """Returns the pooled adaptation curves with 95 % bands and the baselines as lines."""
    figure, axes = _single(narrow, 3.9)
    labels: list[tuple[float, str, str]] = []
    for method in analysis.study.methods:
        rows = analysis.pooled.filter(pl.col("method") == method)
        labels.append(_line(axes, rows, analysis, method))
    for name, normalised in analysis.baselines.items():
        level = analysis.scale.value(normalised)
        axes.axhline(level, color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)), zorder=1)
        labels.append((level, analysis.study.label(name), MUTED))
    axes.set_ylabel(analysis.scale.label)
    _possible(axes, analysis)
    if not analysis.has_curve:
        methods = analysis.study.methods
        axes.set_xticks(range(len(methods)), [analysis.study.label(method) for method in methods])
        axes.set_xlim(-0.5, len(methods) - 0.5)
        axes.tick_params(axis="x", labelcolor=INK)
        labels = [label for label in labels if label[2] == MUTED]
    else:
        _env_steps(axes, "Env steps of adaptation")
    _end_labels(axes, labels, narrow)
    return figure


def differences(analysis: Analysis, narrow: bool) -> Figure:
    """Returns each difference with its interval, the margin shaded."""
    shown = [d for d in analysis.differences if d.fixed.low is not None or d.new.low is not None]
    figure = Figure(figsize=(4.1 if narrow else 8.2, 0.7 + 0.62 * max(len(shown), 1)), layout="constrained")
    axes = figure.add_subplot()
    scale = analysis.scale.difference
    for comparison, _ in analysis.verdicts[:1]:
        half = scale(comparison.margin)
        axes.axvspan(-half, half, color=MUTED, alpha=0.12, linewidth=0)
    for row, difference in enumerate(reversed(shown)):
        for interval, offset, width in ((difference.fixed, 0.09, 3.0), (difference.new, -0.13, 1.2)):
            if interval.low is not None and interval.high is not None:
                limits = [scale(interval.low), scale(interval.high)]
                axes.plot(
                    limits, [row + offset] * 2, color=colour(analysis, difference.left), linewidth=width
                )
        axes.plot(
            [scale(difference.fixed.mean)], [row + 0.09], "o", color=colour(analysis, difference.left), ms=7
        )
    axes.axvline(0, color=INK, linewidth=1)
    if analysis.score_bounds is not None:  # a difference cannot be larger than the scores' span
        span = scale(analysis.score_bounds[1] - analysis.score_bounds[0])
        left, right = axes.get_xlim()
        axes.set_xlim(max(left, -span), min(right, span))
    pairs = {(d.left, d.right) for d in shown}
    names = [d.summary if len(pairs) == 1 else f"{_pair(analysis, d)}\n{d.summary}" for d in reversed(shown)]
    axes.set_yticks(range(len(shown)), names)
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.set_ylim(-0.5, len(shown) - 0.5)
    axes.spines["left"].set_visible(False)
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="x")
    of = f"{_pair(analysis, shown[0])}, " if len(pairs) == 1 and not narrow else "Difference, "
    axes.set_xlabel(f"{of}{analysis.scale.label[0].lower()}{analysis.scale.label[1:]}")
    return figure


def _pair(analysis: Analysis, difference: Difference) -> str:
    return f"{analysis.study.label(difference.left)} − {analysis.study.label(difference.right)}"


def by_task(analysis: Analysis, narrow: bool) -> Figure:
    """Returns small multiples: each held-out task's curves, a thin line a checkpoint."""
    tasks = analysis.study.tasks[:MAX_PANELS]
    columns = min(2 if narrow else 5, len(tasks))
    rows = math.ceil(len(tasks) / columns)
    width, height = (4.1, 1.65 * rows + 0.6) if narrow else (8.2, 1.6 * rows + 0.6)
    figure = Figure(figsize=(width, height), layout="constrained")
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for index, axes in enumerate(panels.flat):
        if index >= len(tasks):
            axes.set_axis_off()
            continue
        for method in analysis.study.methods:
            runs = analysis.runs.filter(pl.col("method") == method, pl.col("task") == tasks[index])
            tint = colour(analysis, method)
            for _, run in runs.group_by("fold", "checkpoint", "seed", maintain_order=True):
                values = [analysis.scale.value(v) for v in run["value"]]
                axes.plot(run["env_step"], values, color=tint, linewidth=0.7, alpha=0.45)
            mean = runs.group_by("env_step").agg(pl.col("value").mean()).sort("env_step")
            values = [analysis.scale.value(v) for v in mean["value"]]
            axes.plot(mean["env_step"], values, color=tint, linewidth=1.8)
        axes.set_title(_short(tasks[index], tasks), fontsize=9)
        axes.tick_params(labelsize=8)
        axes.set_xticks([analysis.steps[0], analysis.steps[-1]])
        axes.xaxis.set_major_formatter(FuncFormatter(_steps))
        axes.yaxis.set_major_locator(MaxNLocator(3))
    figure.supxlabel("Env steps of adaptation", fontsize=9, color=MUTED)
    figure.supylabel(analysis.scale.label, fontsize=9, color=MUTED)
    return figure


def online(analysis: Analysis, narrow: bool) -> Figure:
    """Returns the mean return of episodes that ended while adapting, in bins of env steps."""
    table = analysis.study.online
    assert table is not None, "drawn only where it was given"
    methods = [m for m in analysis.study.methods if m in set(table["method"])]
    return _returns(analysis, table, methods, narrow, "Env steps of adaptation")


def pretraining(analysis: Analysis, narrow: bool) -> Figure:
    """Returns the training return of each pretrained method, in bins of env steps."""
    table = analysis.study.pretraining
    assert table is not None, "drawn only where it was given"
    methods = [m for m in analysis.study.methods if m in set(table["method"])]
    everything = table.with_columns(task=pl.lit("training"))
    return _returns(analysis, everything, methods, narrow, "Env steps of pretraining")


def _returns(
    analysis: Analysis, table: pl.DataFrame, methods: Sequence[str], narrow: bool, xlabel: str
) -> Figure:
    figure, axes = _single(narrow, 3.3)
    last = max(float(table["env_step"].to_numpy().max()), 1.0)
    width = last / _ONLINE_BINS
    binned = table.with_columns(
        env_step=((pl.col("env_step") / width).floor().clip(upper_bound=_ONLINE_BINS - 1) + 0.5) * width
    )
    cells = binned.group_by("method", "seed", "task", "env_step").agg(value=pl.col("return").mean())
    labels = []
    for method in methods:
        rows = []
        mine = cells.filter(pl.col("method") == method).sort("env_step", "seed", "task")
        tint = colour(analysis, method)
        for _, seed in mine.group_by("seed", maintain_order=True):
            mean = seed.group_by("env_step").agg(pl.col("value").mean()).sort("env_step")
            axes.plot(mean["env_step"], mean["value"], color=tint, linewidth=0.7, alpha=0.4)
        for (step,), at in mine.group_by("env_step", maintain_order=True):
            by_seed = at.with_columns(fold=0, checkpoint=pl.col("seed").cast(pl.String))
            rows.append((step, mean_interval(by_seed).mean))
        axes.plot(*zip(*rows, strict=True), color=tint)
        labels.append((rows[-1][1], analysis.study.label(method), tint))
    _env_steps(axes, xlabel)
    axes.set_ylabel(analysis.study.score_name)
    _end_labels(axes, labels, narrow)
    return figure


def _single(narrow: bool, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(4.1, height * 0.9) if narrow else (8.2, height), layout="constrained")
    return figure, figure.add_subplot()


def _possible(axes: Axes, analysis: Analysis) -> None:
    """Cuts the axis to possible scores: with few seeds a band may reach far beyond them."""
    if analysis.score_bounds is None:
        return
    lowest, highest = (analysis.scale.value(bound) for bound in analysis.score_bounds)
    pad = 0.03 * (highest - lowest)
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, lowest - pad), min(high, highest + pad))


def _line(axes: Axes, rows: pl.DataFrame, analysis: Analysis, method: str) -> tuple[float, str, str]:
    """Draws one method's curve and band, or a point with its bar; returns where and how to label it."""
    tint, scale = colour(analysis, method), analysis.scale.value
    values = [scale(v) for v in rows["value"]]
    banded = rows.filter(pl.col("low").is_not_null())
    low, high = [scale(v) for v in banded["low"]], [scale(v) for v in banded["high"]]
    if len(rows) == 1:
        place = [analysis.study.methods.index(method)]
        if low:
            axes.plot(place * 2, [low[0], high[0]], color=tint)
        axes.plot(place, values, "o", color=tint)
    else:
        axes.fill_between(banded["env_step"], low, high, color=tint, alpha=0.16, linewidth=0)
        axes.plot(rows["env_step"], values, "o-", color=tint, markersize=4)
    return values[-1], analysis.study.label(method), tint


def _env_steps(axes: Axes, label: str) -> None:
    axes.set_xlabel(label)
    axes.xaxis.set_major_formatter(FuncFormatter(_steps))
    axes.xaxis.set_major_locator(MaxNLocator(5))


def _end_labels(axes: Axes, labels: list[tuple[float, str, str]], narrow: bool) -> None:
    """Writes each label at its height beside the right end, pushed apart where they would touch."""
    low, high = axes.get_ylim()
    gap = (high - low) * (0.075 if narrow else 0.062)
    placed: list[float] = []
    ordered = sorted(labels)
    for level, _, _ in ordered:
        placed.append(max(level, placed[-1] + gap) if placed else level)
    excess = max(0.0, placed[-1] - high) if placed else 0.0
    for index in range(len(placed) - 1, -1, -1):
        top = placed[index + 1] - gap if index + 1 < len(placed) else high
        placed[index] = min(placed[index] - (excess if index + 1 == len(placed) else 0.0), top)
    for (_, text, tint), level in zip(ordered, placed, strict=True):
        axes.annotate(
            text,
            (1.0, level),
            xycoords=("axes fraction", "data"),
            xytext=(6, 0),
            textcoords="offset points",
            color=tint,
            va="center",
            fontsize=9 if narrow else 10,
            fontweight="normal" if tint == MUTED else "bold",
            annotation_clip=False,
        )
    axes.set_ylim(low, high)


def _steps(value: float, _: object = None) -> str:
    for size, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"


def _short(task: str, tasks: Sequence[str]) -> str:
    """Returns a task's id without what all ids have in common."""
    parts = [t.split("/") for t in tasks]
    depth = 0
    while len(tasks) > 1 and all(
        len(p) > depth + 1 and p[: depth + 1] == parts[0][: depth + 1] for p in parts
    ):
        depth += 1
    name = "/".join(task.split("/")[depth:])
    return f"level {name}" if name.isdigit() else name
