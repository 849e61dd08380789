"""Figures as bytes: SVG that follows the page's colours, PNG and SVG files; same numbers, same bytes."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from fvm_eval.report.figures.paper import INK, MUTED, PAPER, RULE, SETTINGS
from fvm_eval.report.method_styles import METHOD_COLOURS
from fvm_eval.report.text import escape

_VARIABLES = {INK: "--ink", MUTED: "--muted", RULE: "--rule", PAPER: "--paper"} | {
    tint: f"--m{index}" for index, tint in enumerate(METHOD_COLOURS)
}


@dataclass(frozen=True)
class Image:
    """A figure that a notebook shows."""

    svg: str

    def _repr_svg_(self) -> str:
        return self.svg


def files(name: str, draw: Callable[[bool], Figure]) -> dict[str, bytes]:
    """Returns one figure's PNG (160 dpi), SVG and PDF files on white, by file name.

    Args:
        name: Of the files, without what comes after the point.
        draw: Makes the figure, for a narrow page or not.
    """
    with matplotlib.rc_context({**SETTINGS, "svg.fonttype": "path", "svg.hashsalt": name}):
        figure = draw(False)
        figure.patch.set_facecolor(PAPER)
        FigureCanvasAgg(figure)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # it has done its work: the panels stay where they are
        png = io.BytesIO()
        figure.savefig(png, format="png", dpi=160, metadata={"Software": None})
        pdf = io.BytesIO()
        figure.savefig(pdf, format="pdf", metadata={"CreationDate": None, "Creator": None, "Producer": None})
        svg = _svg(figure).encode()
        return {f"{name}.png": png.getvalue(), f"{name}.svg": svg, f"{name}.pdf": pdf.getvalue()}


def inline(name: str, draw: Callable[[bool], Figure], description: str) -> str:
    """Returns one figure as two inline SVGs, for wide and for narrow pages, of which CSS shows one."""
    drawings = []
    for narrow in (False, True):
        kind = "narrow" if narrow else "wide"
        with matplotlib.rc_context({**SETTINGS, "svg.fonttype": "none", "svg.hashsalt": name}):
            figure = draw(narrow)
            figure.patch.set_visible(False)
            for axes in figure.axes:
                axes.patch.set_visible(False)
            drawings.append(_embedded(_svg(figure), f"{name}-{kind}", kind, description))
    return "\n".join(drawings)


def _svg(figure: Figure) -> str:
    sink = io.BytesIO()
    figure.savefig(sink, format="svg", metadata={"Date": None, "Creator": None})
    return sink.getvalue().decode()


def _embedded(svg: str, prefix: str, kind: str, description: str) -> str:
    """Returns an SVG fit for a page: own ids, no metadata, the page's font, colours as CSS variables."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}-\1"', svg)
    svg = re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}-\1)", svg)
    svg = re.sub(r'xlink:href="#([^"]+)"', rf'href="#{prefix}-\1"', svg)
    svg = re.sub(r"font: ([^;\"]*?)([\d.]+px)[^;\"]*", r"font: \1\2 var(--font)", svg)
    svg = re.sub(r"font-family: [^;\"]*", "font-family: var(--font)", svg)
    for tint, variable in _VARIABLES.items():
        svg = svg.replace(tint, f"var({variable})")
    svg = re.sub(r' (?:d|x|y|points|transform)="[^"]*"', _rounded, svg)
    box = re.search(r'viewBox="[^"]+"', svg)
    assert box is not None, "matplotlib writes a viewBox"
    head = f'<svg class="{kind}" role="img" aria-label="{escape(description)}" {box.group()}>'
    return head + svg[svg.index(">") + 1 :].strip()


def _rounded(attribute: re.Match[str]) -> str:
    """Returns coordinates with two decimals: a hundredth of a point is nothing on a screen."""
    return re.sub(r"(\.\d\d)\d+", r"\1", attribute.group())
