"""Figures as bytes: SVG that follows the page's colours, PNG and SVG files; same numbers, same bytes."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
    with _settings(name):
        return _files(name, _laid_out(draw(False)))


def drawn(name: str, draw: Callable[[bool], Figure], description: str) -> tuple[dict[str, bytes], str]:
    """Returns a figure's files, and itself as two inline SVGs for wide and narrow pages: CSS shows one.

    The wide figure is made once for all of them, since layout is what takes the time.
    """
    with _settings(name):
        wide = _laid_out(draw(False))
        made = _files(name, wide)
        drawings = [_inline(name, "wide", wide, description)]
        drawings.append(_inline(name, "narrow", _laid_out(draw(True)), description))
    return made, "\n".join(drawings)


def inline(name: str, draw: Callable[[bool], Figure], description: str) -> str:
    """Returns a figure as two inline SVGs, for wide and narrow pages."""
    return drawn(name, draw, description)[1]


@contextmanager
def _settings(name: str) -> Iterator[None]:
    with matplotlib.rc_context({**SETTINGS, "svg.hashsalt": name}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # the page's own fonts have it
        yield


def _laid_out(figure: Figure) -> Figure:
    FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # it has done its work: the panels stay where they are
    return figure


def _files(name: str, figure: Figure) -> dict[str, bytes]:
    figure.patch.set_facecolor(PAPER)
    png, pdf = io.BytesIO(), io.BytesIO()
    figure.savefig(png, format="png", dpi=160, metadata={"Software": None})
    figure.savefig(pdf, format="pdf", metadata={"CreationDate": None, "Creator": None, "Producer": None})
    with matplotlib.rc_context({"svg.fonttype": "path"}):
        svg = _svg(figure).encode()
    return {f"{name}.png": png.getvalue(), f"{name}.svg": svg, f"{name}.pdf": pdf.getvalue()}


def _inline(name: str, kind: str, figure: Figure, description: str) -> str:
    figure.patch.set_visible(False)
    for axes in figure.axes:
        axes.patch.set_visible(False)
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        return _embedded(_svg(figure), f"{name}-{kind}", kind, description)


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
