"""Sizes, colours and settings that all figures share. On a page the colours become CSS variables."""

from __future__ import annotations

from typing import Any

INK, MUTED, RULE, PAPER = "#1b1f24", "#5d6672", "#d5dae0", "#ffffff"
SETTINGS: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "svg.fonttype": "none",  # text stays text, to be found and edited
    "text.parse_math": False,  # a name with two dollar signs is a name
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
    "lines.scale_dashes": True,
}
WIDE, NARROW = 8.2, 4.1
