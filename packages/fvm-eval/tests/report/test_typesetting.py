"""Names of any characters in LaTeX and Markdown: what was compiled once by pdfLaTeX and LuaLaTeX."""

import shutil
import subprocess

import pytest
from fvm_eval.report.cells import Cell, Grid
from fvm_eval.report.typesetting import latex, markdown

NAMES = {
    "a--b ,,c'' ": r"a-{}-b ,{},c'{}' ",
    "*best": r"{*}best",
    "a|b": r"a\textbar{}b",
    'the "new" `one`': r"the \texttt{\char34}new\texttt{\char34} \textasciigrave{}one\textasciigrave{}",
    "# $ % & _ { } ~ ^ \\ < >": (
        r"\# \$ \% \& \_ \{ \} \textasciitilde{} \textasciicircum{} \textbackslash{} \textless{} "
        r"\textgreater{}"
    ),
    "Łódź, naïve, ε ≤ 1": r"Łódź, naïve, $\varepsilon$ $\leq$ 1",
    "e\u0301té": "été",
    "Wąs": r"W{\ifdefined\pdftexversion a\else ą\fi}s",
    "雪🚀": r"{\ifdefined\pdftexversion (U+96EA)\else 雪\fi}{\ifdefined\pdftexversion (U+1F680)\else 🚀\fi}",
    "\x1b[2J\u202e": r"\textbackslash{}x1b{[}2J\textbackslash{}u202e",
}


@pytest.mark.parametrize("name", NAMES, ids=repr)
def test_a_name_is_text(name):
    (row,) = (line for line in latex([Grid(["", "n"], [[name, "1"]])]).splitlines() if line.endswith(r"1 \\"))
    assert row == rf"{NAMES[name]} & 1 \\"


def test_what_a_table_shows_stands_with_it():
    cell = Cell("0.40", ["these [0.32, 0.49]", "new [0.1, 0.7]"], strong=True)
    grid = Grid(["", "Score"], [["group"], ["ppo", cell]], title="Results", note="Score in 5 %\nof <b>.")
    tex = latex([grid])
    assert "% Results\n% Score in 5 %\\nof <b>.\n\\begin{tabular}{lr}\n" in tex
    assert "\\multicolumn{2}{l}{group} \\\\\nppo & 0.40 {[}0.32, 0.49{]} \\\\\n" in tex
    assert markdown([grid]) == (
        "### Results\n\nScore in 5 % of \\<b\\>.\n\n|  | Score |\n| --- | ---: |\n| **group** |  |\n"
        "| ppo | 0.40 \\[0.32, 0.49\\] |\n"
    )


def test_markdown_takes_nothing_for_an_entity():
    assert r"\&lt;b\&gt;" in markdown([Grid(["", "n"], [["&lt;b&gt;", "1"]])])


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX here")
def test_latex_compiles(tmp_path):
    grid = Grid(["", "n"], [[name, "1"] for name in NAMES], note="of \\ %")
    head = "\\documentclass{article}\n\\usepackage{booktabs}\n\\begin{document}\n"
    (tmp_path / "t.tex").write_text(f"{head}{latex([grid])}\\end{{document}}", encoding="utf-8")
    command = ["pdflatex", "-halt-on-error", "-draftmode", "-interaction=nonstopmode", "t.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=60)
    assert done.returncode == 0, done.stdout[-500:]
