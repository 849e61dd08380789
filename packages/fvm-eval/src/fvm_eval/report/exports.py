"""The report's numbers as files: CSV and JSON to compute with, LaTeX and Markdown to write with.

Numbers in CSV and JSON are normalised as the analysis has them (raw where no range was given), so that anyone
can compute the page's again from `cells.csv`: one row a run and summary.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace

import polars as pl

from fvm_eval.analysis.secondary import Secondary
from fvm_eval.analysis.study_analysis import Analysis
from fvm_eval.analysis.summaries import shown_pairs
from fvm_eval.claims import ClaimVerdict, ComponentVerdict
from fvm_eval.report.scores import differences_grid, in_brackets, methods_grid
from fvm_eval.report.secondary import grids
from fvm_eval.report.typesetting import latex, markdown
from fvm_eval.statistics.contrasts import EPISODES
from fvm_eval.statistics.estimates import Interval

_CELL_ORDER = ["summary", "method", "fold", "seed", "checkpoint", "task", "value"]


def exports(analysis: Analysis, found: Secondary) -> dict[str, bytes]:
    """Returns the files by name."""
    tables = frames(analysis, found)
    files = {f"{name}.csv": table.write_csv().encode() for name, table in tables.items()}
    study = analysis.study
    bounds = (
        {} if analysis.score_bounds is None else {s.name: analysis.score_bounds for s in analysis.summaries}
    )
    bounds |= study.cell_bounds
    content = {
        "title": study.title,
        "estimand": study.estimand,
        "score": {"label": analysis.scale.label, "low": analysis.scale.low, "span": analysis.scale.span},
        "score_ranges": study.score_ranges,
        "score_bounds": bounds,
        "budget": study.final_step,
        **({} if study.redrawn_splits is None else {"redrawn_splits": study.redrawn_splits}),
        "labels": {name: study.label(name) for name in (*study.methods, *analysis.baselines)},
        "rerun": study.rerun,
        **{name: table.to_dicts() for name, table in tables.items() if name not in ("cells", "profiles")},
    }
    files["report.json"] = (json.dumps(content, ensure_ascii=False, indent=1, default=str) + "\n").encode()
    pairs = shown_pairs(study, analysis.differences)
    shown = [
        replace(methods_grid(analysis), title="Results", note=in_brackets(analysis)),
        replace(differences_grid(analysis, pairs), title="Differences", note=in_brackets(analysis)),
    ]
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
        {"measure": "Env steps to the threshold", "arm": arm, **_numbers(at.time), "reached_share": at.share}
        for arm, at in found.reached.items()
    ]
    improvement = [
        {
            "left": p.left,
            "right": p.right,
            **_numbers(p.improvement),
            "test": p.test,
            "p": p.p,
            "p_holm": p.p_holm,
        }
        for p in found.pairs
    ]
    cells = [
        table.select(
            pl.lit(s.name).alias("summary"),
            *("method", "fold", "seed", "checkpoint", "task"),
            pl.col("value").cast(pl.Float64),
            _episodes(table),
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
            _episodes(table),
        )
        for name, table in study.cells.items()
    ]
    named = {
        "summaries": pl.DataFrame(summaries, infer_schema_length=None),
        "differences": pl.DataFrame(differences, infer_schema_length=None),
        "aggregates": pl.DataFrame(aggregates, infer_schema_length=None),
        "improvement": pl.DataFrame(improvement, infer_schema_length=None),
        "profiles": found.profiles,
        "shared": pl.DataFrame(
            [
                {"method": method, **asdict(shared)}
                for method, shared in found.shared.items()
                if not isinstance(shared, str)
            ],
            infer_schema_length=None,
        ),
        "curves": analysis.pooled,
        "claims": _claims(analysis),
        "preconditions": pl.DataFrame(
            [{"name": p.name, "holds": p.holds, "reason": p.reason} for p in study.preconditions]
        ),
        "checks": pl.DataFrame(
            [{"rule": c.rule, "status": c.status, "reason": c.reason} for c in analysis.checks]
        ),
        "costs": pl.DataFrame() if study.costs is None else study.costs,
        "device_seconds": pl.DataFrame(
            [
                {"method": arm, "seconds": cost.seconds, **_ratio(cost.ratio)}
                for arm, cost in analysis.device_seconds.items()
            ],
            infer_schema_length=None,
        ),
        "cells": pl.concat(cells, how="vertical_relaxed").sort(_CELL_ORDER),
    }
    # What is not estimable is empty: NaN is no JSON.
    return {n: table if n == "cells" else table.fill_nan(None) for n, table in named.items() if len(table)}


def _claims(analysis: Analysis) -> pl.DataFrame:
    """Returns a row for each part of each claim, its assay last: what was asked, and what came out."""
    rows = []
    for decided in analysis.claims:
        verdict = decided.verdict
        assay = [] if verdict.assay is None else [verdict.assay]
        rows += [_part(verdict, part, is_assay=False) for part in verdict.components]
        rows += [_part(verdict, part, is_assay=True) for part in assay]
    return pl.DataFrame(rows, infer_schema_length=None)


def _part(verdict: ClaimVerdict, part: ComponentVerdict, *, is_assay: bool) -> dict[str, object]:
    component, interval = part.component, part.interval
    found = {} if interval is None else _numbers(interval)
    return {
        "claim": verdict.claim.id,
        "verdict": str(verdict.label),
        "min_checkpoints": verdict.claim.min_checkpoints,
        "needs": _listed(verdict.claim.preconditions),
        "alpha": verdict.alpha,
        "part": component.name,
        "assay": is_assay,
        "summary": component.summary,
        "weights": json.dumps(dict(component.weights), ensure_ascii=False),
        "kind": component.kind,
        "margin": component.margin,
        "detect": component.effect,
        "part_needs": _listed(component.preconditions),
        "rivals_learned": _listed(component.rival_learned),
        "estimate": None if part.estimate is None else part.estimate.mean,
        **{name: found.get(name) for name in ("low", "high", "how", "df", "checkpoints")},
        "p": part.p,
        "p_against_holm": part.p_against,
        "passed": part.passed,
        "contradicted": part.contradicted,
        "reason": part.reason,
        "seeds_needed": part.seeds_needed,
    }


def _ratio(ratio: Interval | None) -> dict[str, float | None]:
    ends = (None, None, None) if ratio is None else (ratio.mean, ratio.low, ratio.high)
    return dict(zip(("ratio", "low", "high"), ends, strict=True))


def _listed(names: Sequence[str]) -> str:
    return json.dumps(list(names), ensure_ascii=False)


def _episodes(table: pl.DataFrame) -> pl.Expr:
    """Returns of how many episodes a value is the share that was won; null where it is none."""
    known = pl.col(EPISODES) if EPISODES in table.columns else pl.lit(None)
    return known.cast(pl.Int64).alias(EPISODES)


def _numbers(interval: Interval, prefix: str = "", *, only_limits: bool = False) -> dict[str, object]:
    limits: dict[str, object] = {f"{prefix}low": interval.low, f"{prefix}high": interval.high}
    if only_limits:
        return limits
    t_low, t_high, _ = interval.beside or (None, None, "")
    limits |= {"t_low": t_low, "t_high": t_high}
    more = {"how": interval.how, "df": interval.df, "sd": interval.sd, "checkpoints": interval.checkpoints}
    return {"mean": interval.mean, **limits, **more}
