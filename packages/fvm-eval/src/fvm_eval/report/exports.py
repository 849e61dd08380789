"""The report's numbers as files: CSV and JSON to compute with, LaTeX and Markdown to write with.

Numbers in CSV and JSON are normalised as the analysis has them (raw where no range was given), so that anyone
can compute the page's again from `cells.csv`: one row a run and summary.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence

import polars as pl

from fvm_eval.analysis.secondary import Secondary
from fvm_eval.analysis.study_analysis import Analysis
from fvm_eval.analysis.summaries import shown_pairs
from fvm_eval.report.cells import Cell, Grid
from fvm_eval.report.scores import differences_grid, methods_grid
from fvm_eval.report.secondary import grids
from fvm_eval.statistics.estimates import Interval

_CELL_ORDER = ["summary", "method", "fold", "seed", "checkpoint", "task", "value"]
_TEX = {
    "\\": r"\textbackslash{}",
    **{sign: rf"\{sign}" for sign in "{}$&#_%"},
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    **{
        "−": "$-$",
        "±": r"$\pm$",
        "×": r"$\times$",
        "–": "--",
        "“": "``",
        "”": "''",
        "’": "'",
        "[": "{[}",
        "]": "{]}",
    },
    **{"<": r"\textless{}", ">": r"\textgreater{}"},
}


def exports(analysis: Analysis, found: Secondary) -> dict[str, bytes]:
    """Returns the files by name."""
    tables = frames(analysis, found)
    files = {f"{name}.csv": table.write_csv().encode() for name, table in tables.items()}
    study = analysis.study
    content = {
        "title": study.title,
        "estimand": study.estimand,
        "score": {"label": analysis.scale.label, "low": analysis.scale.low, "span": analysis.scale.span},
        "rerun": study.rerun,
        **{name: table.to_dicts() for name, table in tables.items() if name not in ("cells", "profiles")},
    }
    files["report.json"] = (json.dumps(content, ensure_ascii=False, indent=1, default=str) + "\n").encode()
    shown = [methods_grid(analysis), differences_grid(analysis, shown_pairs(study, analysis.differences))]
    shown = [grid for grid in (*shown, *grids(analysis, found)) if grid.rows]
    files["tables.tex"] = latex(shown).encode()
    files["tables.md"] = markdown(shown).encode()
    return files


def frames(analysis: Analysis, found: Secondary) -> dict[str, pl.DataFrame]:
    """Returns everything that the page prints as tables of plain columns."""
    study = analysis.study
    summaries = [
        {
            "summary": s.name,
            "method": m,
            **_numbers(s.fixed[m]),
            **_numbers(s.new[m], "new_", only_limits=True),
        }
        for s in analysis.summaries
        for m in study.methods
    ]
    differences = [
        {
            **{"summary": d.summary, "left": d.left, "right": d.right},
            **_numbers(d.fixed),
            **_numbers(d.new, "new_", only_limits=True),
        }
        for d in analysis.differences
    ]
    aggregates = [
        {"measure": name, "arm": arm, **_numbers(interval)}
        for by_name in (found.aggregates, found.measures)
        for name, by_arm in by_name.items()
        for arm, interval in sorted(by_arm.items())
    ]
    aggregates += [
        {"measure": "Env steps to the threshold", "arm": arm, **_numbers(at.time)}
        for arm, at in found.reached.items()
    ]
    improvement = [
        {"left": p.left, "right": p.right, **_numbers(p.improvement), "p": p.p, "p_holm": p.p_holm}
        for p in found.pairs
    ]
    cells = [
        table.select(
            pl.lit(s.name).alias("summary"),
            *("method", "fold", "seed", "checkpoint", "task"),
            pl.col("value").cast(pl.Float64),
        )
        for s in analysis.summaries
        for table in s.cells.values()
    ]
    cells += [
        table.select(
            pl.lit(name).alias("summary"),
            "method",
            pl.col("fold").cast(pl.Int64),
            pl.col("seed").cast(pl.Int64),
            *("checkpoint", "task"),
            pl.col("value").cast(pl.Float64),
        )
        for name, table in study.cells.items()
    ]
    named = {
        "summaries": pl.DataFrame(summaries, infer_schema_length=None),
        "differences": pl.DataFrame(differences, infer_schema_length=None),
        "aggregates": pl.DataFrame(aggregates, infer_schema_length=None),
        "improvement": pl.DataFrame(improvement, infer_schema_length=None),
        "profiles": found.profiles,
        "curves": analysis.pooled,
        "claims": _claims(analysis),
        "preconditions": pl.DataFrame(
            [{"name": p.name, "holds": p.holds, "reason": p.reason} for p in study.preconditions]
        ),
        "checks": pl.DataFrame(
            [{"rule": c.rule, "status": c.status, "reason": c.reason} for c in analysis.checks]
        ),
        "costs": pl.DataFrame() if study.costs is None else study.costs,
        "cells": pl.concat(cells, how="vertical_relaxed").sort(_CELL_ORDER),
    }
    return {name: table for name, table in named.items() if len(table)}


def _claims(analysis: Analysis) -> pl.DataFrame:
    rows = []
    for decided in analysis.claims:
        verdict = decided.verdict
        for part in verdict.components:
            component, interval = part.component, part.interval
            rows.append(
                {
                    "claim": verdict.claim.id,
                    "verdict": str(verdict.label),
                    "part": component.name,
                    "summary": component.summary,
                    "weights": json.dumps(dict(component.weights), ensure_ascii=False),
                    "kind": component.kind,
                    "margin": component.margin,
                    "estimate": None if part.estimate is None else part.estimate.mean,
                    "low": None if interval is None else interval.low,
                    "high": None if interval is None else interval.high,
                    "p": part.p,
                    "passed": part.passed,
                    "contradicted": part.contradicted,
                }
            )
    return pl.DataFrame(rows, infer_schema_length=None)


def _numbers(interval: Interval, prefix: str = "", *, only_limits: bool = False) -> dict[str, object]:
    limits: dict[str, object] = {f"{prefix}low": interval.low, f"{prefix}high": interval.high}
    if only_limits:
        return limits
    t_low, t_high, _ = interval.beside or (None, None, "")
    limits |= {"t_low": t_low, "t_high": t_high}
    more = {"how": interval.how, "df": interval.df, "sd": interval.sd, "checkpoints": interval.checkpoints}
    return {"mean": interval.mean, **limits, **more}


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
        title = f"% {grid.title}\n" if grid.title else ""
        blocks.append(title + "\n".join([*lines, "\\bottomrule", "\\end{tabular}"]))
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
        blocks.append((f"### {_md(grid.title)}\n\n" if grid.title else "") + "\n".join(lines))
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
    return "".join(_TEX.get(letter, letter) for letter in re.sub(r"\s+", " ", text))


def _md(text: str) -> str:
    return re.sub(r"([\\`*_{}<>\[\]#|~$])", r"\\\1", re.sub(r"\s+", " ", text))
