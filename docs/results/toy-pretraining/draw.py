"""Draws what each arm reaches on held-out orders against how long it was pretrained.

uv run python docs/results/toy-pretraining/draw.py
"""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib
import polars as pl
from matplotlib.figure import Figure
from tables import HERE, LENGTHS, NAMES, by_summary, mean_and_limits

from figure import COLOURS, DARK, LIGHT, Theme, dressed  # isort: skip (the map's: tables.py finds it)

BEFORE = 48  # env steps on a new order, before anybody takes a gradient


def draw(folder: Path, theme: Theme) -> Figure:
    """Returns the figure: before and after adapting, a line an arm, bars of 95 % over clusters."""
    page = json.loads((folder / "pretraining.json").read_text())
    runs = pl.read_parquet(folder / "runs.parquet")
    clusters = by_summary(runs.with_columns(arm=pl.format("x {}: {}", "length", "method")), page["budget"])
    matplotlib.rcParams.update({"font.family": "DejaVu Sans", "font.size": 10})
    figure = Figure(figsize=(11.0, 4.6), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for axes, step in zip(panels, (BEFORE, page["budget"]), strict=True):
        cells = clusters[f"Value after {step:,} env steps"]
        for place, name in enumerate(NAMES):
            points = [
                mean_and_limits(list(cells[f"x {x}: {page['chosen'][name]}"].values())) for x in LENGTHS
            ]
            xs = [float(x) * (0.94 + 0.017 * place) for x in LENGTHS]  # beside each other
            means = [mean for mean, _, _ in points]
            errors = [[m - low for m, low, _ in points], [high - m for m, _, high in points]]
            axes.errorbar(
                xs, means, yerr=errors, color=COLOURS[name], marker="o", ms=4, lw=1.6, elinewidth=1,
                ls=":" if name == "scratch" else "-", label=NAMES[name],
            )  # fmt: skip
        axes.set_xscale("log", base=2)
        axes.set_xticks([float(x) for x in LENGTHS], list(LENGTHS.values()))
        axes.set_xticks([], minor=True)
        axes.set_ylim(-0.03, 1.03)
        axes.set_xlabel("Pretraining, times the map's")
        axes.spines[["top", "right"]].set_visible(False)
        when = "before any gradient" if step == BEFORE else "adapted"
        axes.set_title(f"After {step:,} env steps, {when}", loc="left")
    panels[0].set_ylabel("Return on held-out orders, of 1")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower left", ncol=4, frameon=False)
    return dressed(figure, theme)


if __name__ == "__main__":
    for suffix, theme in (("", LIGHT), ("-dark", DARK)):
        draw(HERE, theme).savefig(HERE / f"pretraining{suffix}.png", dpi=150)
