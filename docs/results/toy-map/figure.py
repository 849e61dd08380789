"""Draws the map: who is best over hidden bits and env steps, how far from the best possible; and the tuning.

    uv run python docs/results/toy-map/figure.py

From `map.json` and `curves.parquet` alone. A cell has a colour where one arm, at the point that was best on
validation orders, beats every other; hatched where only its pretraining is decided; blank where nothing is.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.colors
import polars as pl
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

HERE = Path(__file__).parent
NAMES = {
    "scratch": "Scratch",
    "multitask": "Multi-task + fine-tuning",
    "multitask:gradient+head-reset": "Multi-task, heads redrawn",
    "reptile-printed": "Reptile .1 → 0",
    "reptile-authors": "Reptile .9 → 1",
    "rl2": "RL²",
    "rl2:both": "RL² + fine-tuning",
    "rl2-reset": "RL², memory reset",
}
COLOURS = {
    "scratch": "#0072b2",
    "multitask": "#d55e00",
    "multitask:gradient+head-reset": "#f0a35e",
    "reptile-printed": "#009e73",
    "reptile-authors": "#7fcfb5",
    "rl2": "#b8578a",
    "rl2:both": "#e0a8c6",
    "rl2-reset": "#8c8c00",
}
BITS = {0: math.log2(24), 1: math.log2(6), 2: 1.0, 4: 0.0}
FIRST = {
    0: 0.25,
    1: 0.5,
    2: 0.75,
    4: 1.0,
}  # the best possible return of a first trial; later ones are worth 1


@dataclass(frozen=True, kw_only=True)
class Theme:
    """The colours of a page, and how regret is shaded on it."""

    paper: str
    ink: str
    muted: str
    rule: str
    shades: str  # a colour map
    range: tuple[float, float]  # its part for regrets 0 and 1


LIGHT = Theme(
    paper="#ffffff", ink="#1b1f24", muted="#57606a", rule="#c9d0d8", shades="YlOrRd", range=(0, 0.85)
)
DARK = Theme(
    paper="#0d1117", ink="#e6edf3", muted="#9aa5b1", rule="#3d4653", shades="inferno", range=(0.12, 0.8)
)


def method(row: str) -> str:
    """Returns the method of a row."""
    return row.partition(", ")[0]


def shown(value: float) -> str:
    """Returns a score between 0 and 1 as in ".38"."""
    return f"{value:.2f}".removeprefix("0") if value < 0.995 else "1.00"


def bits(marks: int) -> str:
    """Returns how much of the task is hidden, in words."""
    hidden = f"{BITS[marks]:.1f}".removesuffix(".0")
    return f"{hidden} bit{'s' * (BITS[marks] != 1)}"


def dressed(figure: Figure, theme: Theme) -> Figure:
    """Returns a figure in the colours of a page."""
    figure.set_facecolor(theme.paper)
    for axes in figure.axes:
        axes.set_facecolor(theme.paper)
        axes.tick_params(colors=theme.muted)
        axes.xaxis.label.set_color(theme.muted)
        axes.yaxis.label.set_color(theme.muted)
        axes.set_title(axes.get_title(loc="left"), loc="left", fontweight="bold", color=theme.ink)
        for spine in axes.spines.values():
            spine.set_edgecolor(theme.muted)
    for legend in figure.legends:
        for text in legend.get_texts():
            text.set_color(theme.ink)
    return figure


def legible(colour: Any) -> str:
    """Returns black or white, whichever reads better on a colour."""
    red, green, blue = matplotlib.colors.to_rgb(colour)
    return "#1b1f24" if 0.3 * red + 0.59 * green + 0.11 * blue > 0.5 else "#ffffff"


def draw(page: dict[str, Any], theme: Theme = LIGHT) -> Figure:
    """Returns the figure."""
    matplotlib.rcParams.update({"font.family": "DejaVu Sans", "font.size": 10, "svg.fonttype": "none"})
    cells = {(cell["marks"], cell["env_step"]): cell for cell in page["map"]}
    steps, rows = sorted({step for _, step in cells}), (0, 1, 2, 4)
    figure = Figure(figsize=(12.0, 4.9), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    used: dict[str, None] = {}
    for y, marks in enumerate(reversed(rows)):
        for x, step in enumerate(steps):
            cell = cells.get((marks, step))
            if cell is None:
                for axes in (left, right):
                    axes.text(x, y, "not run", ha="center", va="center", color=theme.muted, fontsize=8)
                continue
            best, firm, half = method(cell["best"]), cell["decided"], cell["pretraining_decided"]
            best = best.partition(":")[0] if half else best  # the colour of its pretraining
            face = COLOURS[best] if firm or half else theme.paper
            box = Rectangle((x - 0.48, y - 0.46), 0.96, 0.92, facecolor=face)
            box.set_edgecolor(theme.paper if half else theme.rule)
            box.set_hatch("///" if half else "")
            left.add_patch(box)
            if firm or half:
                used[best] = None
            text = left.text(x, y, shown(cell["value"]), ha="center", va="center", color=theme.ink)
            if firm:
                text.set(color=legible(face), fontweight="bold")
            if half:
                text.set_bbox({"boxstyle": "round,pad=0.25", "facecolor": theme.paper, "edgecolor": "none"})
            optimum = FIRST[marks] if step == 0 else 1.0
            regret = max(optimum - cell["value"], 0.0)
            low, high = theme.range
            shade = matplotlib.colormaps[theme.shades](low + (high - low) * regret)
            right.add_patch(
                Rectangle((x - 0.48, y - 0.46), 0.96, 0.92, facecolor=shade, edgecolor=theme.paper)
            )
            right.text(x, y, shown(regret), ha="center", va="center", color=legible(shade))
    for axes, title in (
        (left, "Best arm, and the highest mean return"),
        (right, "Regret: what the best possible player has more"),
    ):
        axes.set_title(title, loc="left")
        axes.set_xlim(-0.5, len(steps) - 0.5)
        axes.set_ylim(-0.5, len(rows) - 0.5)
        axes.set_xticks(range(len(steps)), [f"{step:,}" for step in steps])
        axes.set_xlabel("Env steps on the new task")
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
    names = [f"{bits(m)}\n{m} mark{'s' * (m != 1)} shown" for m in reversed(rows)]
    left.set_yticks(range(len(rows)), names)
    left.set_ylabel("Hidden of the task")
    handles = [Patch(facecolor=COLOURS[name], label=NAMES[name]) for name in NAMES if name in used]
    half, seeds = "which adaptation: undecided", sorted({cell["seeds"] for cell in page["map"]})
    handles += [
        Patch(facecolor="#bbbbbb", hatch="///", edgecolor=theme.paper, label=half),
        Patch(facecolor=theme.paper, edgecolor=theme.rule, label="undecided"),
        Patch(facecolor="none", label=f"{' or '.join(map(str, seeds))} seeds a family"),
    ]
    figure.legend(handles=handles, loc="outside lower left", ncols=5, frameon=False, fontsize=9)
    return dressed(figure, theme)


def draw_tuning(curves: pl.DataFrame, theme: Theme = LIGHT) -> Figure:
    """Returns each arm's score on validation orders against its adaptation rate, a panel a family."""
    rate, families = "adapt.learning_rate", sorted(curves["marks"].unique())
    figure = Figure(figsize=(3.0 * max(len(families), 2.4), 4.0), layout="constrained")
    panels = figure.subplots(1, len(families), sharey=True, squeeze=False)[0]
    for axes, marks in zip(panels, families, strict=True):
        mine = curves.filter(marks=marks).drop_nulls(rate)
        for name in NAMES:
            line = mine.filter(method=name).sort(rate)
            if len(line):
                axes.plot(line[rate], line["mean"], color=COLOURS[name], marker="o", ms=4, label=NAMES[name])
                best = line.sort("mean").tail(1)
                axes.plot(best[rate], best["mean"], "o", ms=10, mfc="none", mec=COLOURS[name])
        alone = curves.filter(marks=marks, method="rl2")["mean"].max()
        if alone is not None:
            axes.axhline(float(alone), color=COLOURS["rl2"], linestyle=(0, (4, 2)), label="RL², no gradients")
        axes.set_title(f"{bits(marks)} hidden", loc="left", fontsize=10)
        axes.set_xscale("log")
        ticks = sorted(mine[rate].unique())
        axes.set_xticks(ticks, [f"{1000 * tick:g}" for tick in ticks])
        axes.set_xticks([], minor=True)
        axes.set_ylim(-0.03, 1.03)
        axes.set_xlabel("Adaptation rate / 0.001")
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("Return on validation orders\nafter 3,072 env steps")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower left", ncols=4, frameon=False)
    return dressed(figure, theme)


if __name__ == "__main__":
    for suffix, theme in (("", LIGHT), ("-dark", DARK)):
        if (HERE / "map.json").is_file():
            page = json.loads((HERE / "map.json").read_text())
            draw(page, theme).savefig(HERE / f"map{suffix}.png", dpi=150)
        curves = pl.read_parquet(HERE / "curves.parquet")
        draw_tuning(curves, theme).savefig(HERE / f"tuning{suffix}.png", dpi=150)
