"""The report's tables to write with: LaTeX for papers, Markdown for everything else.

Names are text, whatever they contain. What a table's numbers are stands with it: above it in Markdown, as a
comment in LaTeX.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from fvm_eval.naming import visible
from fvm_eval.report.cells import Cell, Grid

_TEX = {
    "\\": r"\textbackslash{}",
    **{sign: rf"\{sign}" for sign in "{}$&#_%"},
    **{"^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "`": r"\textasciigrave{}"},
    **{"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}"},
    '"': r"\texttt{\char34}",  # in LaTeX's own letters a closing quotation mark, in German babel a command
    **{"[": "{[}", "]": "{]}", "*": "{*}"},  # at the start of a row they belong to the \\ before it
    **{"−": "$-$", "±": r"$\pm$", "×": r"$\times$", "–": "--", "“": "``", "”": "''", "’": "'", "‘": "`"},
    **{"≤": r"$\leq$", "≥": r"$\geq$", "≠": r"$\neq$", "≈": r"$\approx$", "∞": r"$\infty$", "√": r"$\surd$"},
    **{"α": r"$\alpha$", "β": r"$\beta$", "γ": r"$\gamma$", "δ": r"$\delta$", "ε": r"$\varepsilon$"},
    **{"η": r"$\eta$", "θ": r"$\theta$", "κ": r"$\kappa$", "λ": r"$\lambda$", "μ": r"$\mu$", "π": r"$\pi$"},
    **{"ρ": r"$\rho$", "σ": r"$\sigma$", "τ": r"$\tau$", "φ": r"$\varphi$", "ω": r"$\omega$"},
    **{"Δ": r"$\Delta$", "Σ": r"$\Sigma$", "Ω": r"$\Omega$", "ϵ": r"$\epsilon$"},
}
# What pdfLaTeX writes with its own letters (OT1), by compiling each: Latin letters, without these, and signs.
_LACKED = "«»ÐÞðþĄąĐđĘęĦħĮįĸŉŊŋŦŧŲųſ"
_SIGNS = "ȘșȚț‐‑‒—―‖†‡•…‰€™←↑→↓№"
_LIGATURE = re.compile(r"(?<=-)(?=-)|(?<=')(?=')|(?<=,)(?=,)")


def latex(tables: Sequence[Grid]) -> str:
    """Returns the tables for LaTeX, ruled by booktabs; names are text, whatever they contain."""
    blocks = ["% needs \\usepackage{booktabs}"]
    for grid in tables:
        width = len(grid.head)
        lines = [f"\\begin{{tabular}}{{l{'r' * (width - 1)}}}", "\\toprule"]
        lines += [" & ".join(map(_tex, grid.head)) + r" \\", "\\midrule"]
        for row in grid.rows:
            if len(row) == 1 < width:
                lines.append(rf"\multicolumn{{{width}}}{{l}}{{{_tex(_plain(row[0]))}}} \\")
            else:
                lines.append(" & ".join(_tex(_plain(cell)) for cell in row) + r" \\")
        said = "".join(f"% {visible(text)}\n" for text in (grid.title, grid.note) if text)
        blocks.append(said + "\n".join([*lines, "\\bottomrule", "\\end{tabular}"]))
    return "\n\n".join(blocks) + "\n"


def markdown(tables: Sequence[Grid]) -> str:
    """Returns the tables for Markdown."""
    blocks = []
    for grid in tables:
        width = len(grid.head)
        lines = [_pipes(map(_md, grid.head)), _pipes(["---", *["---:"] * (width - 1)])]
        for row in grid.rows:
            cells = [_md(_plain(cell)) for cell in row]
            cells = [f"**{cells[0]}**"] if len(row) == 1 < width else cells
            lines.append(_pipes([*cells, *[""] * (width - len(cells))]))
        said = [f"### {_md(grid.title)}"] * bool(grid.title) + [_md(grid.note)] * bool(grid.note)
        blocks.append("\n\n".join([*said, "\n".join(lines)]))
    return "\n\n".join(blocks) + "\n"


def _pipes(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(cell: str | Cell) -> str:
    """Returns a cell in a line: the number with its interval over these tasks."""
    if isinstance(cell, str):
        return cell
    first = next((line for line in cell.lines if line.startswith(("these ", "[", "no interval"))), "")
    return f"{cell.text} {first.removeprefix('these ')}".strip()


def _tex(text: str) -> str:
    text = unicodedata.normalize("NFC", visible(re.sub(r"\s+", " ", text)))
    return "".join(_letter(letter) for letter in _LIGATURE.sub("\0", text))


def _letter(letter: str) -> str:
    """Returns a letter that every LaTeX compiles: where pdfLaTeX has none, it writes a stand-in."""
    if letter == "\0":
        return "{}"  # keeps two signs from becoming one
    if letter in _TEX:
        return _TEX[letter]
    if letter.isascii() or letter in _SIGNS or ("¡" <= letter <= "ž" and letter not in _LACKED):
        return letter
    base = unicodedata.normalize("NFKD", letter)[0]
    stand_in = base if base.isascii() and base.isalnum() else f"(U+{ord(letter):04X})"
    return rf"{{\ifdefined\pdftexversion {stand_in}\else {letter}\fi}}"


def _md(text: str) -> str:
    return re.sub(r"([\\`*_{}<>\[\]#|~$&])", r"\\\1", visible(re.sub(r"\s+", " ", text)))
