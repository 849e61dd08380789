"""The page's sections: functions from the analysis to HTML, empty where there is nothing to show."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from fvm_eval.analysis.study_analysis import Analysis
from fvm_eval.budget import AXES
from fvm_eval.claims import ClaimVerdict, Comparison
from fvm_eval.fairness import RULES
from fvm_eval.naming import plural, visible
from fvm_eval.report.cells import Cell, Grid, filled
from fvm_eval.report.method_styles import method_styles
from fvm_eval.report.text import capital, level, limits, number, these

_SHOWN_TASKS, _UNFOLDED = 60, 6
_NOTHING = Markup("")
_ANY_COMPARISON = (1, 7, 9, 10)
_MARKS = {"holds": "✓", "fails": "✗"}
_KINDS = {"holds": "passed", "fails": "failed"}


def estimand(analysis: Analysis) -> Markup:
    """Returns what is estimated, each comparison with its verdict, and the preconditions."""
    study = analysis.study
    conditions = [
        {
            "name": capital(item.name),
            "answer": "yes" if item.holds else "no" if item.holds is False else "not shown",
            "reason": item.reason,
        }
        for item in study.preconditions
    ]
    return filled(
        "estimand.html",
        estimand=study.estimand,
        claims=[_comparison(analysis, comparison, verdict) for comparison, verdict in analysis.verdicts],
        conditions=conditions,
        held=sum(item.holds is True for item in study.preconditions),
        unfolded=_UNFOLDED,
    )


def _comparison(analysis: Analysis, comparison: Comparison, verdict: ClaimVerdict) -> dict[str, Any]:
    name, scale = analysis.study.label, analysis.scale.difference
    threshold = number(scale(comparison.threshold), signed=True)
    needed = verdict.seeds_needed
    share = f", {comparison.margin:.2f}" if analysis.study.score_ranges is not None else ""
    return {
        "statement": f"{name(comparison.left)} − {name(comparison.right)} > {threshold}",
        "estimand": comparison.estimand,
        "verdict": str(verdict),
        "facts": {
            f"{level(verdict.alpha)} on {these(len(analysis.study.tasks))}": limits(
                verdict.interval, scale, signed=True
            ),
            f"Margin{', share of range' if share else ''}": f"{number(scale(comparison.margin))}{share}",
            "Checkpoints, required": f"{verdict.interval.checkpoints}, {comparison.min_checkpoints}",
            "Would decide": "" if needed is None else f"{plural(needed, 'seed')} a method",
        },
    }


def checklist(analysis: Analysis) -> Markup:
    """Returns the rules of a fair study, line by line; without adaptation those of any comparison."""
    checks = [c for c in analysis.checks if analysis.study.adaptation or c.rule in _ANY_COMPARISON]
    items = [
        {
            "rule": check.rule,
            "status": check.status,
            "kind": _KINDS.get(check.status, "na"),
            "mark": _MARKS.get(check.status, "–"),
            "text": RULES[check.rule],
            "reason": check.reason,
        }
        for check in checks
    ]
    kinds = [item["kind"] for item in items]
    held, failed, open_ = kinds.count("passed"), kinds.count("failed"), kinds.count("na")
    parts = [f"{held} of {len(items)} rules hold{'s' * (held == 1)}"]
    parts += [f"{failed} fail{'s' * (failed == 1)}"] if failed else []
    parts += [f"{open_} cannot be checked"] if open_ else []
    heading = "Fairness checklist" if analysis.study.adaptation else "Checks"
    return filled(
        "checklist.html",
        heading=heading,
        items=items,
        intro=f"{', '.join(parts)}. Each line was checked by a program.",
    )


def costs(analysis: Analysis) -> Markup:
    """Returns what an adaptation run spent by method, and what everything cost."""
    study = analysis.study
    tables: list[Grid] = []
    if study.ledgers:
        spent = {
            method: [f"{ledger.spent[axis]:,}" for axis in AXES] for method, ledger in study.ledgers.items()
        }
        rows = [[study.label(method), *numbers] for method, numbers in spent.items()]
        if len(rows) > 1 and len(set(map(tuple, spent.values()))) == 1:
            rows = [[f"Each of the {len(rows)} methods", *next(iter(spent.values()))]]
        head = ["Spent by one adaptation run", "Env steps", "Updates", "Demos", "Tuning trials"]
        tables.append(Grid(head, rows))
    if study.costs is not None and len(study.costs):
        names = [name for name in study.costs.columns if name != "method"]
        rows = [
            [study.label(str(row["method"])), *(_value(row[name]) for name in names)]
            for row in study.costs.iter_rows(named=True)
        ]
        tables.append(Grid(["Cost of the study", *(name.replace("_", " ") for name in names)], rows))
    if analysis.device_seconds:
        tables.append(_device_seconds(analysis))
    if not tables:
        return _NOTHING
    return filled("tables.html", heading="Budgets and costs", intro="", tables=tables)


def _device_seconds(analysis: Analysis) -> Grid:
    """Returns what one pretraining of each method took, and its ratio to the reference's."""
    study = analysis.study
    names = [name for name in method_styles(study) if name in analysis.device_seconds]
    names += [name for name in analysis.device_seconds if name not in names]
    rows: list[list[str | Cell]] = []
    for name in names:
        cost = analysis.device_seconds[name]
        ratio = Cell("") if cost.ratio is None else Cell(f"× {number(cost.ratio.mean)}", strong=True)
        interval = "" if cost.ratio is None else limits(cost.ratio, float)
        seconds = f"{cost.seconds:,.{0 if cost.seconds >= 100 else 1}f}"
        rows.append([analysis.study.label(name), seconds, ratio, interval])
    against = analysis.study.references[-1:]
    times = f"Times {analysis.study.label(against[0])}’s" if against else "Ratio"
    return Grid(["One pretraining", "Device seconds", times, "95 %"], rows)


def splits(analysis: Analysis) -> Markup:
    """Returns the folds with their hashes, and the leak audit; the tasks alone where nothing is split."""
    study = analysis.study
    rows = [
        [
            name,
            *(f"{len(ids):,}" for ids in (fold.train, fold.validation, fold.held_out)),
            Cell(fold.sha256, code=True),
        ]
        for name, fold in study.folds.items()
    ]
    shown = study.tasks[:_SHOWN_TASKS]
    audit = ""
    if study.leak_audit is not None:
        found = study.leak_audit
        leaked = ", ".join(found.leaked) if found.leaked else "none"
        audit = (
            f"Leak audit: {plural(found.audited, 'held-out task')} against "
            f"{plural(found.against, 'training task')} by "
            f"{found.how}. Leaked and excluded: {leaked}."
        )
    return filled(
        "splits.html",
        heading="Splits" if study.adaptation else "Tasks",
        summary="Held-out tasks" if study.adaptation else f"All {len(study.tasks):,}",
        rows=rows,
        tasks=", ".join(map(visible, shown)),
        more=f" and {len(study.tasks) - len(shown)} more" if len(study.tasks) > len(shown) else "",
        audit=audit,
    )


def configuration(config: Mapping[str, Any], environment: Mapping[str, Any]) -> Markup:
    """Returns the configuration and the environment it ran in."""
    blocks = {"Configuration": config, "Environment": environment}
    shown = {name: _json(value) for name, value in blocks.items() if value}
    return filled("setting.html", blocks=shown) if shown else _NOTHING


def rerun(command: str) -> Markup:
    """Returns the command that makes the study again."""
    return filled("rerun.html", command=command) if command else _NOTHING


def tables(heading: str, intro: str, grids: Sequence[Grid]) -> Markup:
    """Returns a section of tables; empty without any."""
    return filled("tables.html", heading=heading, intro=intro, tables=grids) if grids else _NOTHING


def _value(value: object) -> str:
    if isinstance(value, float):
        return number(value)
    return f"{value:,}" if isinstance(value, int) else "" if value is None else str(value)


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)
