"""Draws BC - KS over M and what the stages share: a dot a cell and quantity, with its 95 % t interval.

    uv run python docs/results/two-stage/figure.py

From the cells' `numbers.json` alone, in the colours of a light and of a dark page. Cells that have not been
run are not there.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

HERE = Path(__file__).parent
CELLS = tuple((shared, balls) for shared in (75, 0) for balls in (1, 2, 4))
KEY = "multitask:gradient+bc - multitask:gradient+ks"
PANELS = {"AUC": "Area under the adaptation curve", "lost on FAR": "Lost on FAR"}


@dataclass(frozen=True, kw_only=True)
class Theme:
    """The colours of a page."""

    paper: str
    ink: str
    muted: str
    mark: str


LIGHT = Theme(paper="#ffffff", ink="#1b1f24", muted="#8b949e", mark="#0072b2")
DARK = Theme(paper="#0d1117", ink="#e6edf3", muted="#6e7781", mark="#58a6ff")


def differences() -> dict[tuple[int, int], dict[str, tuple[float, float, float]]]:
    """Returns BC - KS of each cell that has been run, by (shared in percent, M) and quantity."""
    found = {}
    for shared, balls in CELLS:
        path = HERE / f"m{balls}-s{shared}" / "numbers.json"
        if path.is_file():
            numbers = json.loads(path.read_text())
            task = f"two-stage/close-first/{balls}"
            found[shared, balls] = {name: tuple(numbers[f"{task} {name}: {KEY}"]) for name in PANELS}
    return found


def draw(theme: Theme) -> Figure:
    """Returns the figure: a row a cell, a panel for what adapting gains and one for what is lost."""
    found = differences()
    figure = Figure(figsize=(7.2, 0.9 + 0.34 * len(found)), layout="constrained", facecolor=theme.paper)
    panels: list[Axes] = list(figure.subplots(1, len(PANELS), sharey=True))
    for axes, (name, title) in zip(panels, PANELS.items(), strict=True):
        axes.set_facecolor(theme.paper)
        axes.axvline(0, color=theme.muted, linewidth=1)
        for row, numbers in enumerate(found.values()):
            mean, low, high = numbers[name]
            axes.plot([low, high], [row, row], color=theme.mark, linewidth=1.6)
            axes.plot([mean], [row], color=theme.mark, marker="o", markersize=5, linestyle="")
        axes.set_title(f"{title}, BC − KS", color=theme.ink, fontsize=9)
        axes.tick_params(colors=theme.ink, labelsize=8, length=0)
        axes.xaxis.set_major_locator(MaxNLocator(4))
        for side, spine in axes.spines.items():
            spine.set_visible(side == "bottom")
            spine.set_color(theme.muted)
    labels = [f"M = {balls}, shared = {shared / 100:g}" for shared, balls in found]
    panels[0].set_yticks(range(len(labels)), labels)
    panels[0].set_ylim(len(labels) - 0.5, -0.5)
    return figure


def main() -> None:
    """Writes both figures."""
    matplotlib.rcParams["font.family"] = "DejaVu Sans"
    for theme, name in ((LIGHT, "bc-ks.png"), (DARK, "bc-ks-dark.png")):
        figure = draw(theme)
        figure.savefig(HERE / name, dpi=160, facecolor=theme.paper)


if __name__ == "__main__":
    main()
