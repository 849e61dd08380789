"""The report's sections: functions from the analysis to HTML, empty where there is nothing to show."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from fvm_eval.analysis.decisions import Decided
from fvm_eval.analysis.study_analysis import Analysis
from fvm_eval.budget import AXES
from fvm_eval.claims import ClaimVerdict, Comparison
from fvm_eval.fairness import RULES
from fvm_eval.report.claims_table import AMONG, tally
from fvm_eval.report.method_styles import method_styles
from fvm_eval.report.text import capital, escape, limits, number, plural, table

_SHOWN_TASKS, _UNFOLDED = 60, 6


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
        "Env steps a run": f"{study.final_step:,}" if study.final_step else "",
        "Evaluation episodes": f"{len(study.episodes):,}",
    }
    listed = "".join(f"<div><dt>{k}</dt><dd>{escape(v)}</dd></div>" for k, v in facts.items() if v)
    return (
        f'<h1>{escape(study.title)}</h1>\n{answer(analysis)}\n{"".join(notes)}<dl class="facts">{listed}</dl>'
    )


def answer(analysis: Analysis) -> str:
    """Returns the study's answer in a sentence or two, as HTML: the first claim's, or comparison's."""
    if analysis.claims:
        return _claims_answer(analysis.claims)
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


def _claims_answer(claims: Sequence[Decided]) -> str:
    """Returns the first claim with its verdict, what it hangs on, and how the others came out."""
    verdict, part = claims[0].verdict, claims[0].deciding
    statement = escape(verdict.sentence.rstrip("."))
    numbers = [f"{escape(capital(verdict.reason))}."]
    if part.estimate is not None and part.interval is not None and part.interval.low is not None:
        which = f"The {AMONG[verdict.label]} part is" if len(verdict.components) > 1 else "Measured:"
        numbers.append(
            f"{which} {escape(part.component.name)}, {number(part.estimate.mean, signed=True)}, "
            f"95 % {limits(part.interval, float, signed=True)}; it must be {escape(part.component.claimed)}."
        )
    if verdict.seeds_needed is not None:
        numbers.append(f"About {plural(verdict.seeds_needed, 'seed')} a method would show it.")
    if len(claims) > 1:
        numbers.append(f"Of {len(claims)} claims: {tally(claims)}.")
    return (
        f'<p class="answer"><span class="{verdict.label}">{capital(verdict.label)}:</span> {statement}.</p>\n'
        f'<p class="numbers">{" ".join(numbers)}</p>'
    )


def _decision(comparison: Comparison, verdict: ClaimVerdict, left: str, right: str) -> str:
    if verdict.label == "undecided":
        reason = verdict.reason.split(" (")[0]
        return f"Undecided: {escape(reason)}."
    yes = verdict.label.startswith("supported")
    if comparison.kind == "superiority":
        return f"{left} {'beats' if yes else 'does not beat'} {right} by more than the margin."
    return f"{left} is {'' if yes else 'not '}at least as good as {right}, within the margin."


def estimand(analysis: Analysis) -> str:
    """Returns what is estimated, each claim with its verdict, and the preconditions."""
    claims = "".join(_claim(analysis, comparison, verdict) for comparison, verdict in analysis.verdicts)
    conditions = "".join(
        f"<li>{escape(capital(p.name))}: "
        f"<b>{'yes' if p.holds else 'no' if p.holds is False else 'not shown'}</b> ({escape(p.reason)})</li>"
        for p in analysis.study.preconditions
    )
    count, held = (
        len(analysis.study.preconditions),
        sum(p.holds is True for p in analysis.study.preconditions),
    )
    listed = f"<ul>{conditions}</ul>"
    if count > _UNFOLDED:
        listed = f"<details><summary>{held} of {count} hold</summary>{listed}</details>"
    tested = f"<h3>Preconditions, tested first</h3>{listed}" if conditions else ""
    if len(analysis.verdicts) > _UNFOLDED:
        claims = f"<details><summary>{len(analysis.verdicts)} comparisons</summary>{claims}</details>"
    sentence = escape(analysis.study.estimand)
    return f"<section><h2>What is estimated</h2><p>{sentence}</p>{claims}{tested}</section>"


def _claim(analysis: Analysis, comparison: Comparison, verdict: ClaimVerdict) -> str:
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


def checklist(analysis: Analysis) -> str:
    """Returns the rules of a fair study, line by line."""
    items = []
    for check in analysis.checks:
        kind = {"holds": "passed", "fails": "failed"}.get(check.status, "na")
        mark = {"holds": "✓ ", "fails": "✗ "}.get(check.status, "? ")
        items.append(
            f'<li><span class="number">{check.rule}</span>'
            f'<span class="status {kind}">{mark}{check.status}</span><span class="what">'
            f'{escape(RULES[check.rule])}<br><span class="quiet">{escape(check.reason)}</span></span></li>'
        )
    answers = [check.status for check in analysis.checks]
    counts = f"{answers.count('holds')} hold, {answers.count('fails')} fail, "
    counts += f"{answers.count('cannot be checked')} cannot be checked"
    intro = f"Of {len(items)} rules {counts}. Each was checked by a program against plan and ledgers."
    return (
        f'<section><h2>Fairness checklist</h2><p>{intro}</p><ol class="rules">{"".join(items)}</ol></section>'
    )


def costs(analysis: Analysis) -> str:
    """Returns what an adaptation run spent by method, and what everything cost."""
    study, parts = analysis.study, []
    if study.ledgers:
        spent = {
            method: [f"{ledger.spent[axis]:,}" for axis in AXES] for method, ledger in study.ledgers.items()
        }
        rows = [[escape(study.label(method)), *numbers] for method, numbers in spent.items()]
        if len(rows) > 1 and len(set(map(tuple, spent.values()))) == 1:
            rows = [[f"Each of the {len(rows)} methods", *next(iter(spent.values()))]]
        head = ["Spent by one adaptation run", "Env steps", "Updates", "Demos", "Tuning trials"]
        parts.append(table(head, rows))
    if study.costs is not None and len(study.costs):
        names = [name for name in study.costs.columns if name != "method"]
        rows = [
            [escape(study.label(str(row["method"]))), *(_cell(row[name]) for name in names)]
            for row in study.costs.iter_rows(named=True)
        ]
        parts.append(table(["Cost of the study", *(name.replace("_", " ") for name in names)], rows))
    if analysis.device_seconds:
        parts.append(_device_seconds(analysis))
    return f"<section><h2>Budgets and costs</h2>{''.join(parts)}</section>" if parts else ""


def _device_seconds(analysis: Analysis) -> str:
    """Returns what one pretraining of each method took, and how that compares with multi-task's."""
    names = [name for name in method_styles(analysis.study) if name in analysis.device_seconds]
    names += [name for name in analysis.device_seconds if name not in names]
    rows = []
    for name in names:
        cost = analysis.device_seconds[name]
        ratio = "" if cost.ratio is None else f"<b>× {number(cost.ratio.mean)}</b>"
        interval = "" if cost.ratio is None else limits(cost.ratio, float)
        rows.append(
            [
                escape(analysis.study.label(name)),
                f"{cost.seconds:,.{0 if cost.seconds >= 100 else 1}f}",
                ratio,
                interval,
            ]
        )
    return table(["One pretraining", "Device seconds", "Times multi-task's", "95 %"], rows)


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
            f"<p>Leak audit: {audit.audited:,} held-out tasks against {audit.against:,} training tasks by "
            f"{escape(audit.how)}. Leaked and excluded: {escape(leaked)}.</p>"
        )
    return f"<section><h2>Splits</h2>{''.join(parts)}</section>"


def configuration(config: Mapping[str, Any], environment: Mapping[str, Any]) -> str:
    """Returns the configuration and the environment it ran in."""
    blocks = {"Configuration": config, "Environment": environment}
    shown = [f"<h3>{name}</h3><pre>{escape(_json(value))}</pre>" for name, value in blocks.items() if value]
    return f"<section><h2>Setting</h2>{''.join(shown)}</section>" if shown else ""


def rerun(command: str) -> str:
    """Returns the command that makes the study again."""
    return f"<section><h2>Run it again</h2><pre>{escape(command)}</pre></section>" if command else ""


def _cell(value: object) -> str:
    if isinstance(value, float):
        return number(value)
    return f"{value:,}" if isinstance(value, int) else escape("" if value is None else value)


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)
