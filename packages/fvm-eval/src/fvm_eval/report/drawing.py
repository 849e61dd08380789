"""Figures as bytes: SVG that follows the page's colours, PNG and SVG files; same numbers, same bytes."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from fvm_eval.report.figures.paper import INK, MUTED, PAPER, RULE, SETTINGS
from fvm_eval.report.method_styles import METHOD_COLOURS
from fvm_eval.report.text import escape

_GROUND = "ground"  # id of what lies behind a figure and its panels
_VARIABLES = {INK: "--ink", MUTED: "--muted", RULE: "--rule", PAPER: "--paper"} | {
    tint: f"--m{index}" for index, tint in enumerate(METHOD_COLOURS)
}


@dataclass(frozen=True)
class Image:
    """A figure that a notebook shows."""

    svg: str = field(repr=False)

    def _repr_svg_(self) -> str:
        return self.svg


def files(name: str, draw: Callable[[bool], Figure]) -> dict[str, bytes]:
    """Returns one figure's PNG (160 dpi), SVG and PDF files on white, by file name.

    Args:
        name: Of the files, without what comes after the point.
        draw: Makes the figure, for a narrow page or not.
    """
    with _settings(name):
        figure = _laid_out(draw(False))
        return _files(name, figure, _svg(figure))


def drawn(name: str, draw: Callable[[bool], Figure], description: str) -> tuple[dict[str, bytes], str]:
    """Returns a figure's files, and itself as two inline SVGs for wide and narrow pages: CSS shows one.

    The wide figure is made once for all of them, since layout and drawing are what takes the time.
    """
    with _settings(name):
        wide = _laid_out(draw(False))
        svg = _svg(wide)
        made = _files(name, wide, svg)
        narrow = _svg(_laid_out(draw(True)))
    inline = [
        _embedded(svg, f"{name}-wide", "wide", description),
        _embedded(narrow, f"{name}-narrow", "narrow", description),
    ]
    return made, "\n".join(inline)


def inline(name: str, draw: Callable[[bool], Figure], description: str) -> str:
    """Returns a figure as two inline SVGs, for wide and narrow pages."""
    return drawn(name, draw, description)[1]


@contextmanager
def _settings(name: str) -> Iterator[None]:
    with matplotlib.rc_context({**SETTINGS, "svg.hashsalt": name}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # the page's own fonts have it
        yield


def _laid_out(figure: Figure) -> Figure:
    """Returns the figure with its panels where they belong: later draws neither move nor measure them."""
    FigureCanvasAgg(figure)
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
    figure.set_layout_engine(None)  # with one, even one that has done its work, saving draws twice
    figure.patch.set_facecolor(PAPER)
    for number, patch in enumerate([figure.patch, *(axes.patch for axes in figure.axes)]):
        patch.set_gid(f"{_GROUND}{number}")
    return figure


def _files(name: str, figure: Figure, svg: str) -> dict[str, bytes]:
    png, pdf = io.BytesIO(), io.BytesIO()
    figure.savefig(png, format="png", dpi=160, metadata={"Software": None})
    figure.savefig(pdf, format="pdf", metadata={"CreationDate": None, "Creator": None, "Producer": None})
    return {f"{name}.png": png.getvalue(), f"{name}.svg": svg.encode(), f"{name}.pdf": pdf.getvalue()}


def _svg(figure: Figure) -> str:
    sink = io.BytesIO()
    figure.savefig(sink, format="svg", metadata={"Date": None, "Creator": None})
    return sink.getvalue().decode()


def _embedded(svg: str, prefix: str, kind: str, description: str) -> str:
    """Returns an SVG fit for a page: own ids, no metadata, the page's font, colours as CSS variables."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(rf'<g id="{_GROUND}\d+">.*?</g>\s*', "", svg, flags=re.DOTALL)  # the page's own shows
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
