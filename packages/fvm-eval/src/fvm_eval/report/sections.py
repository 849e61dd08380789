"""The report's sections: functions from the analysis to HTML, empty where there is nothing to show."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from fvm_eval.budget import AXES
from fvm_eval.comparisons import Comparison, Verdict
from fvm_eval.intervals import Interval
from fvm_eval.report.analysis import Analysis, Difference
from fvm_eval.report.figures import METHOD_COLOURS
from fvm_eval.report.text import escape, limits, number, plural, table
from fvm_eval.rules import RULES

_SHOWN_TASKS = 60


def header(analysis: Analysis) -> str:
    """Returns title, answer, notes and the study's size."""
    study = analysis.study
    notes = [f'<p class="note">{escape(note)}</p>' for note in study.notes]
    runs = analysis.runs.select("method", "fold", "seed", "checkpoint", "task").n_unique()
    seeds = study.episodes["seed"].n_unique()
    facts = {
        "Held-out tasks": f"{len(study.tasks):,}",
        "Seeds": f"{seeds:,}",
        "Adaptation runs": f"{runs:,}",
        "Budget a run": f"{study.final_step:,} env steps" if study.final_step else "",
        "Evaluation episodes": f"{len(study.episodes):,}",
    }
    listed = "".join(f"<div><dt>{k}</dt><dd>{escape(v)}</dd></div>" for k, v in facts.items() if v)
    return (
        f'<h1>{escape(study.title)}</h1>\n{answer(analysis)}\n{"".join(notes)}<dl class="facts">{listed}</dl>'
    )


def answer(analysis: Analysis) -> str:
    """Returns the study's answer in a sentence or two, as HTML."""
    if not analysis.verdicts:
        summary = analysis.summaries[0]
        best = sorted(summary.fixed, key=lambda method: -summary.fixed[method].mean)
        scores = ", ".join(
            f"{escape(analysis.study.label(m))} {number(analysis.scale.value(summary.fixed[m].mean))}"
            for m in best
        )
        return (
            f'<p class="answer">{scores}.</p><p>No comparison was fixed beforehand, so none is decided.</p>'
        )
    comparison, verdict = analysis.verdicts[0]
    left, right = (escape(analysis.study.label(name)) for name in (comparison.left, comparison.right))
    scale, fixed = analysis.scale, analysis.summaries[0].fixed
    a, b = (number(scale.value(fixed[name].mean)) for name in (comparison.left, comparison.right))
    difference = number(scale.difference(verdict.interval.mean), signed=True)
    interval = limits(verdict.interval, scale.difference, signed=True)
    interval = f", 95 % {interval}" if verdict.interval.low is not None else ", no interval"
    after = f" after {analysis.study.final_step:,} env steps" if analysis.study.final_step else ""
    numbers = (
        f"{left} scored {a} and {right} {b}{after} on {plural(len(analysis.study.tasks), 'held-out task')} "
        f"(difference {difference}{interval})."
    )
    needed = ""
    if verdict.seeds_needed is not None:
        size = number(scale.difference(comparison.margin))
        seeds = plural(verdict.seeds_needed, "seed")
        needed = f" About {seeds} per method would detect a difference of {size} with power 0.8."
    decision = _decision(comparison, verdict, left, right)
    return f'<p class="answer">{decision}</p>\n<p class="numbers">{numbers}{needed}</p>'


def _decision(comparison: Comparison, verdict: Verdict, left: str, right: str) -> str:
    if verdict.label == "undecided":
        reason = verdict.reason.split(" (")[0]
        return f"Undecided: {escape(reason)}."
    yes = verdict.label == "supported"
    if comparison.kind == "superiority":
        return f"{left} {'beats' if yes else 'does not beat'} {right} by more than the margin."
    return f"{left} is {'' if yes else 'not '}at least as good as {right}, within the margin."


def estimand(analysis: Analysis) -> str:
    """Returns what is estimated, each claim with its verdict, and the preconditions."""
    claims = "".join(_claim(analysis, comparison, verdict) for comparison, verdict in analysis.verdicts)
    conditions = "".join(
        f"<li>{escape(p.name[0].upper() + p.name[1:])}: "
        f"<b>{'yes' if p.holds else 'no' if p.holds is False else 'not shown'}</b> ({escape(p.reason)})</li>"
        for p in analysis.study.preconditions
    )
    tested = f"<h3>Preconditions, tested first</h3><ul>{conditions}</ul>" if conditions else ""
    sentence = escape(analysis.study.estimand)
    return f"<section><h2>What is estimated</h2><p>{sentence}</p>{claims}{tested}</section>"


def _claim(analysis: Analysis, comparison: Comparison, verdict: Verdict) -> str:
    name, scale = analysis.study.label, analysis.scale.difference
    threshold = number(scale(comparison.threshold), signed=True)
    statement = f"{name(comparison.left)} − {name(comparison.right)} > {threshold}"
    needed = verdict.seeds_needed
    facts = {
        "95 % on these tasks": limits(verdict.interval, scale, signed=True),
        "Margin, share of range": f"{number(scale(comparison.margin))}, {comparison.margin:.2f}",
        "Checkpoints, required": f"{verdict.interval.checkpoints}, {comparison.min_checkpoints}",
        "Would decide": "" if needed is None else f"{plural(needed, 'seed')} a method",
    }
    listed = "".join(f"<div><dt>{k}</dt><dd>{escape(v)}</dd></div>" for k, v in facts.items() if v)
    return (
        f'<div class="claim"><p><b>{escape(statement)}</b> {escape(comparison.estimand)}<br>'
        f'Verdict: <b>{escape(verdict)}</b></p><dl class="facts">{listed}</dl></div>'
    )


def results_table(analysis: Analysis) -> str:
    """Returns every method's summaries and their differences, over these tasks and over new tasks."""
    study, scale, summaries = analysis.study, analysis.scale, analysis.summaries
    rows = []
    for method in study.methods:
        cells = [_estimate(s.fixed[method], s.new[method], scale.value) for s in summaries]
        rows.append([_swatch(analysis, method), *cells, f"{summaries[0].fixed[method].checkpoints}"])
    for name, value in analysis.baselines.items():
        label = f'<span class="quiet">{escape(study.label(name))}</span>'
        rows.append([label, number(scale.value(value)), *[""] * len(summaries)])
    by_pair: dict[tuple[str, str], dict[str, Difference]] = {}
    for difference in analysis.differences:
        by_pair.setdefault((difference.left, difference.right), {})[difference.summary] = difference
    for (left, right), found in by_pair.items():
        cells = [
            _estimate(found[s.name].fixed, found[s.name].new, scale.difference, signed=True)
            for s in summaries
            if s.name in found
        ]
        fewest = min(d.fixed.checkpoints for d in found.values())
        rows.append([f"{escape(study.label(left))} − {escape(study.label(right))}", *cells, f"{fewest}"])
    head = ["", *(summary.name for summary in summaries), "Checkpoints"]
    caption = (
        f"{scale.label}, with 95 % intervals. “These”: for these {plural(len(study.tasks), 'task')}, over "
        "checkpoints. “New”: for new tasks of the same population, over checkpoints and tasks."
    )
    intervals = [i for s in summaries for i in (*s.fixed.values(), *s.new.values())]
    intervals += [i for d in analysis.differences for i in (d.fixed, d.new)]
    notes = sorted({i.note for i in intervals if i.note})
    why = "".join(f'<p class="quiet">{escape(note[0].upper() + note[1:])}.</p>' for note in notes)
    return (
        f'<section><h2>Results</h2><p class="quiet">{escape(caption)}</p>{table(head, rows)}{why}</section>'
    )


def _estimate(
    fixed: Interval, new: Interval, shown: Callable[[float], float], *, signed: bool = False
) -> str:
    both = [("these", limits(fixed, shown, signed=signed)), ("new", limits(new, shown, signed=signed))]
    if fixed.low is None and new.low is None:
        both = [("", "no interval")]
    lines = "".join(f"<small>{kind} {text}</small>" for kind, text in both)
    return f"<b>{number(shown(fixed.mean), signed=signed)}</b>{lines}"


def key(analysis: Analysis) -> str:
    """Returns the methods' names beside their colours."""
    names = "".join(f"<span>{_swatch(analysis, method)}</span>" for method in analysis.study.methods)
    return f'<p class="key">{names}</p>'


def _swatch(analysis: Analysis, method: str) -> str:
    index = analysis.study.methods.index(method) % len(METHOD_COLOURS)
    dot = f'<i class="swatch" style="background:var(--m{index})"></i>'
    return f"{dot}{escape(analysis.study.label(method))}"


def checklist(analysis: Analysis) -> str:
    """Returns the rules of a fair study, line by line."""
    items = []
    for check in analysis.checks:
        kind = "na" if check.status == "not applicable" else check.status
        mark = {"passed": "✓ ", "failed": "✗ "}.get(check.status, "– ")
        items.append(
            f'<li><span class="number">{check.rule}</span>'
            f'<span class="status {kind}">{mark}{check.status}</span><span class="what">'
            f'{escape(RULES[check.rule])}<br><span class="quiet">{escape(check.reason)}</span></span></li>'
        )
    passed = sum(check.status == "passed" for check in analysis.checks)
    intro = f"{passed} of {len(items)} rules passed. Each line was checked by a program."
    return (
        f'<section><h2>Fairness checklist</h2><p>{intro}</p><ol class="rules">{"".join(items)}</ol></section>'
    )


def costs(analysis: Analysis) -> str:
    """Returns what an adaptation run spent by method, and what everything cost."""
    study, parts = analysis.study, []
    if study.ledgers:
        rows = [
            [escape(study.label(method)), *(f"{ledger.spent[axis]:,}" for axis in AXES)]
            for method, ledger in study.ledgers.items()
        ]
        head = ["Spent by one adaptation run", "Env steps", "Updates", "Demos", "Tuning trials"]
        parts.append(table(head, rows))
    if study.costs is not None and len(study.costs):
        names = [name for name in study.costs.columns if name != "method"]
        rows = [
            [escape(study.label(str(row["method"]))), *(_cell(row[name]) for name in names)]
            for row in study.costs.iter_rows(named=True)
        ]
        parts.append(table(["Cost of the study", *(name.replace("_", " ") for name in names)], rows))
    return f"<section><h2>Budgets and costs</h2>{''.join(parts)}</section>" if parts else ""


def splits(analysis: Analysis) -> str:
    """Returns the folds with their hashes, and the leak audit."""
    study, parts = analysis.study, []
    if study.folds:
        rows = [
            [
                escape(name),
                *(f"{len(ids):,}" for ids in (fold.train, fold.validation, fold.held_out)),
                f"<code>{fold.sha256}</code>",
            ]
            for name, fold in study.folds.items()
        ]
        parts.append(table(["Fold", "Train", "Validation", "Held out", "SHA-256"], rows))
    shown = study.tasks[:_SHOWN_TASKS]
    more = f" and {len(study.tasks) - len(shown)} more" if len(study.tasks) > len(shown) else ""
    tasks = ", ".join(escape(task) for task in shown)
    parts.append(f"<details><summary>Held-out tasks</summary><p><code>{tasks}</code>{more}</p></details>")
    if study.leak_audit is not None:
        audit = study.leak_audit
        leaked = ", ".join(audit.leaked) if audit.leaked else "none"
        parts.append(
            f"<p>Leak audit: {audit.audited:,} held-out levels against {audit.against:,} training levels by "
            f"{escape(audit.how)}. Leaked and excluded: {escape(leaked)}.</p>"
        )
    return f"<section><h2>Splits</h2>{''.join(parts)}</section>"


def configuration(analysis: Analysis) -> str:
    """Returns the configuration and the environment it ran in."""
    blocks = {"Configuration": analysis.study.config, "Environment": analysis.study.environment}
    shown = [f"<h3>{name}</h3><pre>{escape(_json(value))}</pre>" for name, value in blocks.items() if value]
    return f"<section><h2>Setting</h2>{''.join(shown)}</section>" if shown else ""


def rerun(analysis: Analysis) -> str:
    """Returns the command that makes the study again."""
    command = analysis.study.rerun
    return f"<section><h2>Run it again</h2><pre>{escape(command)}</pre></section>" if command else ""


def _cell(value: object) -> str:
    if isinstance(value, float):
        return number(value)
    return f"{value:,}" if isinstance(value, int) else escape("" if value is None else value)


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)
