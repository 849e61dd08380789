"""The claims table: what was claimed, what came out, how sure, and the verdict; a card a claim on a phone.

Claims of which nothing was run say nothing yet: they stand folded below those that were.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from fvm_eval.analysis.decisions import SECOND_MARGIN, Decided, unit_of
from fvm_eval.analysis.study_analysis import Analysis
from fvm_eval.claims import ClaimVerdict
from fvm_eval.claims.components import ComponentVerdict
from fvm_eval.naming import plural
from fvm_eval.report.cells import filled
from fvm_eval.report.text import capital, largest, level, limits, number


def claims(analysis: Analysis) -> Markup:
    """Returns a card for each claim, its parts to unfold below; empty where no claim was fixed."""
    if not analysis.claims:
        return Markup("")
    run = [decided for decided in analysis.claims if was_run(decided)]
    not_run = [decided for decided in analysis.claims if not was_run(decided)]
    shares, unit = "", unit_of(analysis.study)
    if unit is not None:
        shares = f" Scores are shares of the range {unit.low:g} to {unit.high:g}."
    elif analysis.study.score_ranges is not None:
        shares = " Scores are shares of each task’s range."
    intro = (
        "Claims and margins were handed in with the study; a rule decides. A claim of several parts is "
        "supported where all pass and contradicted where one is beyond its threshold on the wrong side."
        f"{shares}"
    )
    return filled(
        "claims.html",
        intro=intro,
        run=[_claim(decided) for decided in run],
        not_run=[_claim(decided) for decided in not_run],
        not_run_summary=f"{plural(len(not_run), 'claim')} of which nothing was run here",
    )


def was_run(decided: Decided) -> bool:
    """Returns whether any part of the claim has numbers."""
    return any(part.estimate is not None for part in decided.verdict.components)


def tone(label: str) -> str:
    """Returns the class of a verdict's colour."""
    return "supported" if label == "supported" else "contradicted" if label == "contradicted" else "undecided"


def tally(decided: Sequence[Decided]) -> str:
    """Returns how many claims got which verdict, as in "1 supported, 3 undecided"."""
    labels = list(dict.fromkeys(("supported", "contradicted", *(d.verdict.label for d in decided))))
    counts = {label: sum(d.verdict.label == label for d in decided) for label in labels}
    return ", ".join(f"{count} {label}" for label, count in counts.items() if count)


def _claim(decided: Decided) -> dict[str, Any]:
    verdict, part = decided.verdict, decided.deciding
    claim, parts = verdict.claim, verdict.components
    passed = sum(p.passed for p in parts)
    wrong = sum(p.contradicted for p in parts)
    counts = [(passed, "passes" if passed == 1 else "pass"), (wrong, "contradicted")]
    counts.append((len(parts) - passed - wrong, "open"))
    counted = ", ".join(f"{count} {what}" for count, what in counts if count)
    rows = [_part(p) for p in parts]
    if verdict.assay is not None:
        rows.append(_part(verdict.assay, note="Must be found before equality means anything"))
    measured, interval = _numbers(part)
    return {
        "id": claim.id,
        "statement": claim.statement,
        "scope": (verdict.label == "supported in part" and claim.scope_in_part) or claim.scope,
        "paper": claim.paper_says,
        "measured": measured,
        "interval": interval,
        "level": level(verdict.alpha),
        "must": part.component.claimed,
        "which": _which(decided),
        "tone": tone(verdict.label),
        "mark": {"supported": "✓", "contradicted": "✗"}.get(verdict.label, "?"),
        "label": verdict.label,
        "lines": _lines(decided),
        "parts": rows if len(parts) > 1 or verdict.assay is not None else [],
        "counted": f"{plural(len(parts), 'part')}: {counted}",
    }


def _which(decided: Decided) -> str:
    """Returns which part the numbers are of."""
    label = decided.verdict.label
    among = {"contradicted": "contradicting", "undecided": "first open"}.get(label, "weakest")
    part = decided.deciding.component
    name = f"{part.name}, {part.summary[:1].lower()}{part.summary[1:]}"
    return f"the {among} part: {name}" if len(decided.verdict.components) > 1 else name


def part_unit(verdict: ClaimVerdict) -> bool:
    """Returns whether the deciding part's numbers have a unit."""
    return verdict.deciding.component.summary in (verdict.units or {})


def _lines(decided: Decided) -> list[str]:
    """Returns what stands below the verdict: why, what would decide, and the second margin's."""
    verdict, second = decided.verdict, decided.second
    lines = []
    if verdict.label != "supported" or len(verdict.components) > 1:
        lines.append(f"{capital(verdict.reason)}.")
    if verdict.seeds_needed is not None:
        lines.append(f"About {plural(verdict.seeds_needed, 'seed')} a method would show it.")
    if decided.unadjusted is not None:
        lines.append(
            f"Decided at {verdict.alpha:.2g}, this look's share of .05; at .05 as if it were the only one: "
            f"{decided.unadjusted.label}."
        )
    if verdict.units and part_unit(verdict) and verdict.measured:
        lines.append(f"{verdict.measured}.")
    if second is not None:
        needed = f", about {plural(second.seeds_needed, 'seed')}" if second.seeds_needed is not None else ""
        lines.append(f"At a margin of {SECOND_MARGIN:.2f}: {second.label}{needed}.")
    return lines


def _part(part: ComponentVerdict, note: str = "") -> dict[str, str]:
    measured, interval = _numbers(part)
    needed = str(part.seeds_needed) if part.seeds_needed is not None and not part.passed else "–"
    return {
        "name": part.component.name,
        "summary": part.component.summary,
        "note": note,
        "measured": measured,
        "interval": interval,
        "must": part.component.claimed,
        "tone": "supported" if part.passed else "contradicted" if part.contradicted else "undecided",
        "result": "✓ passes" if part.passed else "✗ contradicted" if part.contradicted else "open",
        "reason": f"{capital(part.reason)}." if part.reason else "",
        "needed": needed,
    }


def _numbers(part: ComponentVerdict) -> tuple[str, str]:
    """Returns the estimate and its interval, dashes where there is none."""
    if part.estimate is None:
        return "–", "–"
    interval = "no interval" if part.interval is None else limits(part.interval, float, signed=True)
    like = 0.0 if part.interval is None else largest(part.interval, float)
    return number(part.estimate.mean, signed=True, like=like), interval
