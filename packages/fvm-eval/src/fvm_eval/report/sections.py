"""The report's sections: functions from the analysis to HTML, an empty string where there is nothing to show."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fvm_eval.budget import AXES
from fvm_eval.claims import Comparison, Verdict
from fvm_eval.report.analysis import Analysis
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
        "Methods": ", ".join(study.label(method) for method in study.methods),
        "Held-out tasks": f"{len(study.tasks):,}",
        "Seeds": f"{seeds:,}",
        "Adaptation runs": f"{runs:,}",
        "Budget a run": f"{study.final_step:,} env steps" if study.final_step else "",
        "Evaluation episodes": f"{len(study.episodes):,}",
    }
    listed = "".join(f"<div><dt>{k}</dt><dd>{escape(v)}</dd></div>" for k, v in facts.items() if v)
    return (
        f"<h1>{escape(study.title)}</h1>\n<p class=answer>{answer(analysis)}</p>\n"
        f'{"".join(notes)}<dl class="facts">{listed}</dl>'
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
        return f"{scores}. No comparison was fixed beforehand, so none is decided."
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
        needed = (
            f" About {plural(verdict.seeds_needed, 'seed')} per method would show a difference of {size}."
        )
    return f"<b>{_decision(comparison, verdict, left, right)}</b> {numbers}{needed}"


def _decision(comparison: Comparison, verdict: Verdict, left: str, right: str) -> str:
    if verdict.label == "undecided":
        reason = verdict.reason.split(" (")[0]
        return f"Undecided: {escape(reason)}."
    yes = verdict.label == "supported"
    if comparison.kind == "superiority":
        return f"{left} {'beats' if yes else 'does not beat'} {right} by more than the margin."
    return f"{left} is {'' if yes else 'not '}at least as good as {right}, within the margin."


def estimand(analysis: Analysis) -> str:
    """Returns what is estimated, and each comparison with its verdict."""
    scale = analysis.scale
    rows = []
    for comparison, verdict in analysis.verdicts:
        needed = "" if verdict.seeds_needed is None else plural(verdict.seeds_needed, "seed")
        margin = number(scale.difference(comparison.margin))
        rows.append(
            [
                f"{escape(comparison.statement)}<small>{escape(comparison.estimand)}</small>",
                limits(verdict.interval, lambda x: x, signed=True),
                f"{comparison.margin:.2f}<small>{margin} in score</small>",
                escape(verdict),
                needed,
            ]
        )
    claims = ""
    if rows:
        head = [
            "Claim, in units of the score range",
            "95 % on these tasks",
            "Margin",
            "Verdict",
            "Would decide",
        ]
        claims = table(head, rows, numeric=5)
    conditions = "".join(
        f"<li><b>{escape(p.name)}</b>: {'yes' if p.holds else 'no' if p.holds is False else 'not shown'} "
        f"({escape(p.reason)})</li>"
        for p in analysis.study.preconditions
    )
    tested = f"<h3>Preconditions, tested first</h3><ul>{conditions}</ul>" if conditions else ""
    sentence = escape(analysis.study.estimand)
    return f"<section><h2>What is estimated</h2><p>{sentence}</p>{claims}{tested}</section>"


def results_table(analysis: Analysis) -> str:
    """Returns every method's summaries, with intervals over these tasks and over new tasks."""
    rows = []
    for index, method in enumerate(analysis.study.methods):
        swatch = f'<span class="swatch" style="background:var(--m{index % len(METHOD_COLOURS)})"></span>'
        row = [f"{swatch}{escape(analysis.study.label(method))}"]
        for summary in analysis.summaries:
            fixed, new = summary.fixed[method], summary.new[method]
            row.append(
                f"<b>{number(analysis.scale.value(fixed.mean))}</b>"
                f"<small>these {limits(fixed, analysis.scale.value)}</small>"
                f"<small>new {limits(new, analysis.scale.value)}</small>"
            )
        rows.append([*row, f"{analysis.summaries[0].fixed[method].checkpoints}"])
    for name, value in analysis.baselines.items():
        blanks = [""] * (len(analysis.summaries) - 1)
        label = f'<span class="quiet">{escape(analysis.study.label(name))}</span>'
        rows.append([label, number(analysis.scale.value(value)), *blanks, ""])
    head = ["Method", *(summary.name for summary in analysis.summaries), "Checkpoints"]
    caption = (
        f"{analysis.scale.label}. “These”: 95 % for these {len(analysis.study.tasks)} tasks, over "
        "checkpoints. “New”: 95 % for a new task of the same population, over checkpoints and tasks."
    )
    notes = {i.note for s in analysis.summaries for i in (*s.fixed.values(), *s.new.values()) if i.note}
    why = "".join(f'<p class="quiet">{escape(note[0].upper() + note[1:])}.</p>' for note in sorted(notes))
    return f"<section><h2>Results</h2>{table(head, rows, caption=caption)}{why}</section>"


def difference_table(analysis: Analysis) -> str:
    """Returns the differences between methods, with both intervals."""
    rows = [
        [
            f"{escape(analysis.study.label(d.left))} − {escape(analysis.study.label(d.right))}",
            escape(d.summary),
            f"<b>{number(analysis.scale.difference(d.fixed.mean), signed=True)}</b>",
            limits(d.fixed, analysis.scale.difference, signed=True),
            limits(d.new, analysis.scale.difference, signed=True),
        ]
        for d in analysis.differences
    ]
    head = ["Methods", "Summary", "Difference", "95 % on these tasks", "95 % on new tasks"]
    return table(head, rows, numeric=2) if rows else ""


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
