"""Response curves of a study that was tuned by a grid: each method's score against its settings."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import polars as pl
from fvm_eval.analysis.panel import Panel
from fvm_eval.report.figures import labels, panels, paper
from fvm_eval.report.method_styles import method_styles
from matplotlib.figure import Figure

from study.folder.tables import table_at
from study.methods import Row
from study.registry import Findings, Finished, Measure
from study.results.evidence import SHIP_AGAIN, SHIPPED
from study.tuning.grid import ADAPT
from study.tuning.tuned import Tuned, read_tuned

if TYPE_CHECKING:
    from fvm_eval.analysis import Analysis

CURVES = "curves.parquet"
AXES = {"learning_rate": "Learning rate", "entropy_coef": "Entropy coefficient", "kl_weight": "KL weight"}


def findings(finished: Finished) -> Findings:
    """Returns the figure, and a note on neighbours that the tuning could not tell apart."""
    path = finished.store.root / SHIPPED / CURVES
    if not path.is_file():
        return Findings()
    curves = table_at(path, SHIP_AGAIN)
    axes = [axis for axis in finished.config.grid if curves[axis].drop_nulls().n_unique() > 1]
    drawn = sorted((axis for axis in axes if axis.startswith(f"{ADAPT}.")), reverse=True)  # the rate first
    if not drawn:
        return Findings()
    panel = Panel(
        name="responses",
        heading="How the settings were chosen",
        caption="Score at the budget on validation tasks at every point of the grid, means over the tuning's "
        "seeds; where several settings were varied, the best of the others. Ringed: what was chosen. No "
        "held-out task was played.",
        draw=partial(draw, curves=curves, axis=drawn[0], chosen=finished.config.chosen),
    )
    tuned = read_tuned(path.parent)
    return Findings(panels=[panel], notes=[note(curves, tuned)])


def note(curves: pl.DataFrame, tuned: Tuned) -> str:
    """Returns a sentence on how well a tuning tells neighbours apart, and whether its grid was too narrow."""
    errors = curves.drop_nulls("se_to_next")
    alone = sorted(set(curves["method"]) - set(errors["method"]))
    wide = len(errors.filter(pl.col("se_to_next") > 0.03))
    text = f"Tuning: {wide} of {len(errors)} pairs of neighbouring points have a standard error above .03"
    text += f"; one seed, hence none, of {', '.join(alone)}" if alone else ""
    text += f"; it ended at its cap of {tuned.env_steps:,} env steps a method" if tuned.unsure else ""
    text += f"; some optimum lay at the edge of {', '.join(tuned.edges)}" if tuned.edges else ""
    return f"{text}."


def draw(
    analysis: Analysis, narrow: bool, *, curves: pl.DataFrame, axis: str, chosen: Mapping[str, str]
) -> Figure:
    """Returns each method's score against one setting, the best of the others."""
    study, styles = analysis.study, method_styles(analysis.study)
    methods = {Row.parse(row).method: row for row in study.methods}
    shown = {name: row for name, row in methods.items() if name in set(curves.drop_nulls(axis)["method"])}
    figure, (axes,) = panels.grid(1, narrow, height=3.0, named=len(shown))
    for name, row in shown.items():
        mine = curves.filter(pl.col("method") == name).drop_nulls(axis)
        line, style = mine.group_by(axis).agg(pl.col("mean").max()).sort(axis), styles[row]
        axes.plot(
            line[axis], line["mean"], color=style.colour, linestyle=style.linestyle, marker=style.marker, ms=4
        )
        best = mine.filter(pl.col("point") == chosen.get(name, ""))
        axes.plot(best[axis], best["mean"], "o", ms=10, mfc="none", mec=style.colour)
    axes.set_xscale("log")
    ticks = sorted(curves[axis].drop_nulls().unique())
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.set_xlabel(AXES.get(axis.rpartition(".")[2], axis) + " while adapting", color=paper.MUTED)
    axes.set_ylabel("Score on validation tasks", color=paper.INK)
    labels.legend(figure, analysis, list(shown.values()), narrow)
    return figure


RESPONSES = Measure(name="responses", findings=findings)
