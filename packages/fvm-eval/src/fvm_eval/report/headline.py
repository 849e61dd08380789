"""The page's head: title, the answer in a sentence or two, notes, the study's size."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any

from markupsafe import Markup

from fvm_eval.analysis.decisions import Decided
from fvm_eval.analysis.study_analysis import Analysis
from fvm_eval.claims import ClaimVerdict, Comparison
from fvm_eval.fairness import RUN
from fvm_eval.naming import plural
from fvm_eval.report.cells import filled
from fvm_eval.report.claims_table import tally, tone, was_run
from fvm_eval.report.text import capital, estimated, level, limits, number
from fvm_eval.report.uncompared import of_other_tasks

_MOST = 5  # methods that a sentence of scores names


def header(analysis: Analysis) -> Markup:
    """Returns title, answer, notes and the study's size."""
    study = analysis.study
    runs = analysis.runs.select("method", "fold", "seed", "checkpoint", "task").n_unique()
    held, run = ("Held-out tasks", "Adaptation runs") if study.adaptation else ("Tasks", "Runs")
    steps = "Budget, env steps" if study.budget else "Env steps a run"
    facts = {
        held: f"{len(study.tasks):,}",
        "Seeds": f"{study.episodes['seed'].n_unique():,}",
        run: f"{runs:,}",
        steps: f"{study.final_step:,}" if study.final_step else "",
        "Evaluation episodes" if study.adaptation else "Scores": f"{len(study.episodes):,}",
    }
    return filled(
        "header.html",
        title=study.title,
        answer=answer(analysis),
        notes=notes(analysis),
        facts=facts,
    )


def notes(analysis: Analysis) -> list[str]:
    """Returns the warnings below the answer."""
    return [*analysis.study.notes, *filter(None, [of_other_tasks(analysis)]), *copies(analysis)]


def copies(analysis: Analysis) -> list[str]:
    """Returns what must be said of checkpoints that have the very same episodes; empty if there are none."""
    if not analysis.copies:
        return []
    return [analysis.copies + " Copies make intervals too narrow." * ("counted twice" in analysis.copies)]


def answer(analysis: Analysis) -> Markup:
    """Returns the study's answer in a sentence or two: the first claim's, or comparison's, or the scores."""
    return filled("answer.html", **_answer(analysis))


def _answer(analysis: Analysis) -> dict[str, Any]:
    if not analysis.study.complete:
        return _unfinished(analysis)
    if analysis.claims:
        return _of_claims(analysis.claims)
    if analysis.verdicts:
        return _of_comparison(analysis, *analysis.verdicts[0])
    summary, scale = analysis.summaries[0], analysis.scale
    best = sorted(summary.fixed, key=lambda method: -summary.fixed[method].mean)
    shown = best if len(best) <= _MOST else best[: _MOST - 1]
    means = {m: scale.value(summary.fixed[m].mean) for m in best}
    like = max((abs(mean) for mean in means.values() if isfinite(mean)), default=0.0)
    scores = [f"{analysis.study.label(m)} {number(means[m], like=like)}" for m in shown]
    if rest := best[len(shown) :]:
        high, low = (number(means[m], like=like) for m in (rest[0], rest[-1]))
        scores.append(f"{len(rest)} others {high} to {low}")
    no = "No comparison was fixed beforehand, so none is decided."
    return {"label": "", "tone": "", "decision": f"{', '.join(scores)}.", "numbers": no}


def _unfinished(analysis: Analysis) -> dict[str, Any]:
    """Returns what is missing: an unfinished study has no verdict, only what happened to finish first."""
    study, have = analysis.study, analysis.runs.select(RUN).unique()
    decision, missing = f"{plural(len(have), 'run')} so far.", ""
    if study.plan is not None:
        wanted = study.plan.select(RUN).unique()
        lacking = wanted.join(have, on=RUN, how="anti")
        counts = sorted(lacking.group_by("method").len().iter_rows())
        decision = f"{len(wanted) - len(lacking):,} of {len(wanted):,} planned runs are finished."
        listed = ", ".join(f"{count} of {study.label(method)}" for method, count in counts)
        missing = f"Missing: {listed}. " if listed else ""
    fixed = len(study.claims) + len(study.comparisons)
    waiting = f"{plural(fixed, 'claim')} {'waits' if fixed == 1 else 'wait'} for them: " if fixed else ""
    why = f"{waiting}No verdict and no p value before all are there."
    return {"label": "Not finished", "tone": "undecided", "decision": decision, "numbers": f"{missing}{why}"}


def _of_comparison(analysis: Analysis, comparison: Comparison, verdict: ClaimVerdict) -> dict[str, Any]:
    study, scale, fixed = analysis.study, analysis.scale, analysis.summaries[0].fixed
    left, right = study.label(comparison.left), study.label(comparison.right)
    a, b = (number(scale.value(fixed[name].mean)) for name in (comparison.left, comparison.right))
    difference = estimated(verdict.interval, scale.difference, signed=True)
    interval = ", no interval"
    if verdict.interval.low is not None:
        interval = f", {level(verdict.alpha)} {limits(verdict.interval, scale.difference, signed=True)}"
    after = f" after {study.final_step:,} env steps" if study.final_step else ""
    tasks = plural(len(study.tasks), "held-out task" if study.adaptation else "task")
    numbers = f"{left} scored {a} and {right} {b}{after} on {tasks} (difference {difference}{interval})."
    if verdict.seeds_needed is not None:
        size, seeds = number(scale.difference(comparison.margin)), plural(verdict.seeds_needed, "seed")
        numbers += f" About {seeds} per method would detect a difference of {size} with power 0.8."
    return {
        "label": "",
        "tone": "",
        "decision": _decision(comparison, verdict, left, right),
        "numbers": numbers,
    }


def _decision(comparison: Comparison, verdict: ClaimVerdict, left: str, right: str) -> str:
    if verdict.label == "undecided":
        return f"Undecided: {verdict.reason.split(' (')[0]}."
    yes = verdict.label.startswith("supported")
    if comparison.kind == "superiority":
        return f"{left} {'beats' if yes else 'does not beat'} {right} by more than the margin."
    return f"{left} is {'' if yes else 'not '}at least as good as {right}, within the margin."


def _of_claims(claims: Sequence[Decided]) -> dict[str, Any]:
    """Returns the first claim that was run, its verdict, what it hangs on, and how the others came out."""
    first = next((decided for decided in claims if was_run(decided)), claims[0])
    verdict, part = first.verdict, first.deciding
    numbers = [f"{capital(verdict.reason)}."]
    if part.estimate is not None and part.interval is not None and part.interval.low is not None:
        among = {"contradicted": "contradicting", "undecided": "first open"}.get(verdict.label, "weakest")
        which = f"The {among} part is" if len(verdict.components) > 1 else "Measured:"
        interval = f"{level(verdict.alpha)} {limits(part.interval, float, signed=True)}"
        numbers.append(
            f"{which} {part.component.name}, {estimated(part.interval, float, signed=True)}, "
            f"{interval}; it must be {part.component.claimed}."
        )
    if verdict.seeds_needed is not None:
        numbers.append(f"About {plural(verdict.seeds_needed, 'seed')} a method would show it.")
    if len(claims) > 1:
        numbers.append(f"Of {len(claims)} claims: {tally(claims)}.")
    return {
        "label": capital(verdict.label),
        "tone": tone(verdict.label),
        "decision": f"{verdict.sentence.rstrip('.')}.",
        "numbers": " ".join(numbers),
    }
