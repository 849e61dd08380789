"""The claims table: what was claimed, what came out, how sure, and the verdict; a card a claim on a phone."""

from __future__ import annotations

from collections.abc import Sequence

from fvm_eval.analysis.decisions import SECOND_MARGIN, Decided
from fvm_eval.analysis.study_analysis import Analysis
from fvm_eval.claims import LABELS, ClaimVerdict
from fvm_eval.claims.components import ComponentVerdict
from fvm_eval.report.text import capital, escape, limits, number, plural

AMONG = {
    "supported": "weakest",
    "supported in part": "weakest",
    "contradicted": "contradicting",
    "undecided": "first open",
}
_MARKS = {"supported": "✓", "supported in part": "✓", "contradicted": "✗", "undecided": "?"}
_HEAD = ("Claim", "Measured", "95 % interval", "Must be", "Verdict")
_PART_HEAD = ("Part", "Measured", "95 % interval", "Must be", "Result", "Seeds needed")


def claims(analysis: Analysis) -> str:
    """Returns a row for each claim, its parts to unfold below; empty where no claim was fixed."""
    if not analysis.claims:
        return ""
    rows = "".join(_claim(analysis, decided) for decided in analysis.claims)
    measured = "".join(f"<span>{name}</span>" for name in _HEAD[1:4])
    head = (
        f'<thead><tr><th>{_HEAD[0]}</th><th colspan="3"><div class="measured">{measured}</div></th>'
        f"<th>{_HEAD[4]}</th></tr></thead>"
    )
    shares = " Scores are shares of the score range." if analysis.study.score_ranges is not None else ""
    intro = (
        "Fixed before anything was trained, decided by rule. A claim of several parts is supported where all "
        f"pass and contradicted where one is beyond its threshold on the wrong side.{shares}"
    )
    return (
        f'<section><h2>Claims</h2><p class="quiet">{intro}</p><table class="claims">{head}{rows}'
        "</table></section>"
    )


def tally(decided: Sequence[Decided]) -> str:
    """Returns how many claims got which verdict, as in "1 supported, 3 undecided"."""
    counts = {label: sum(d.verdict.label == label for d in decided) for label in LABELS}
    return ", ".join(f"{count} {label}" for label, count in counts.items() if count)


def _claim(analysis: Analysis, decided: Decided) -> str:
    verdict, part = decided.verdict, decided.deciding
    claim, parts = verdict.claim, verdict.components
    says = f"<small>The paper: {escape(claim.paper_says)}</small>" if claim.paper_says else ""
    which = f'<small class="which">{escape(_which(decided))}</small>'
    measured, interval = _numbers(part)
    numbers = zip(_HEAD[1:4], (measured, interval, escape(part.component.claimed)), strict=True)
    listed = "".join(f'<span data-name="{name}">{number}</span>' for name, number in numbers)
    cells = [
        f'<td class="what"><b>{escape(claim.id)}</b> {escape(verdict.sentence)}{says}</td>',
        f'<td colspan="3"><div class="measured">{listed}{which}</div></td>',
        _cell(_HEAD[4], f"<div>{_verdict(decided)}</div>", kind="verdict"),
    ]
    passed = sum(p.passed for p in parts)
    wrong = sum(p.contradicted for p in parts)
    still = len(parts) - passed - wrong
    counts = [(passed, "passes" if passed == 1 else "pass"), (wrong, "contradicted"), (still, "open")]
    counted = ", ".join(f"{count} {what}" for count, what in counts if count)
    unfolded = ""
    if len(parts) > 1 or verdict.assay is not None:
        unfolded = (
            f'<tr class="parts"><td colspan="{len(_HEAD)}"><details><summary>{plural(len(parts), "part")}: '
            f"{counted}</summary>{_parts(verdict)}</details></td></tr>"
        )
    return f"<tbody><tr>{''.join(cells)}</tr>{unfolded}</tbody>"


def _which(decided: Decided) -> str:
    """Returns which part the numbers are of."""
    part = decided.deciding.component
    name = f"{part.name}, {part.summary[:1].lower()}{part.summary[1:]}"
    several = len(decided.verdict.components) > 1
    return f"the {AMONG[decided.verdict.label]} part: {name}" if several else name


def _verdict(decided: Decided) -> str:
    verdict, second = decided.verdict, decided.second
    lines = [f'<b class="{verdict.label}">{_MARKS[verdict.label]} {verdict.label}</b>']
    if verdict.label != "supported" or len(verdict.components) > 1:
        lines.append(f"<small>{escape(capital(verdict.reason))}.</small>")
    if verdict.seeds_needed is not None:
        lines.append(f"<small>About {plural(verdict.seeds_needed, 'seed')} a method would show it.</small>")
    if second is not None:
        needed = f", about {plural(second.seeds_needed, 'seed')}" if second.seeds_needed is not None else ""
        lines.append(f"<small>At a margin of {SECOND_MARGIN:.2f}: {second.label}{needed}.</small>")
    return "".join(lines)


def _parts(verdict: ClaimVerdict) -> str:
    rows = [_part(part) for part in verdict.components]
    if verdict.assay is not None:
        rows.append(_part(verdict.assay, note="Must be found before equality means anything"))
    return f'<table class="parts">{_head(_PART_HEAD)}<tbody>{"".join(rows)}</tbody></table>'


def _part(part: ComponentVerdict, note: str = "") -> str:
    component = part.component
    measured, interval = _numbers(part)
    name = f"{escape(component.name)}<small>{escape(component.summary)}</small>"
    result = "✓ passes" if part.passed else "✗ contradicted" if part.contradicted else "open"
    kind = "supported" if part.passed else "contradicted" if part.contradicted else "undecided"
    reason = f"<small>{escape(capital(part.reason))}.</small>" if part.reason else ""
    needed = str(part.seeds_needed) if part.seeds_needed is not None and not part.passed else "–"
    cells = [
        f'<td class="what">{name}{f"<small>{note}</small>" if note else ""}</td>',
        _cell(_PART_HEAD[1], measured),
        _cell(_PART_HEAD[2], interval),
        _cell(_PART_HEAD[3], escape(component.claimed)),
        _cell(_PART_HEAD[4], f'<b class="{kind}">{result}</b>{reason}', kind="verdict"),
        _cell(_PART_HEAD[5], needed, kind="n" if needed != "–" else "n blank"),
    ]
    return f"<tr>{''.join(cells)}</tr>"


def _numbers(part: ComponentVerdict) -> tuple[str, str]:
    """Returns the estimate and its interval, dashes where there is none."""
    if part.estimate is None:
        return "–", "–"
    interval = "no interval" if part.interval is None else limits(part.interval, float, signed=True)
    return f"<b>{number(part.estimate.mean, signed=True)}</b>", interval


def _head(names: Sequence[str]) -> str:
    kinds = ["", *[' class="n"'] * 3, *[""] * (len(names) - 4)]
    titles = "".join(f"<th{kind}>{name}</th>" for kind, name in zip(kinds, names, strict=True))
    return f"<thead><tr>{titles}</tr></thead>"


def _cell(name: str, content: str, kind: str = "n") -> str:
    return f'<td class="{kind}" data-name="{name}">{content}</td>'
