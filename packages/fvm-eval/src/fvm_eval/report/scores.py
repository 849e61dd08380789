"""Tables of scores: every method's summaries, and the differences of those that are compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fvm_eval.analysis.study_analysis import Analysis
from fvm_eval.analysis.summaries import MAX_PAIRS, Difference, Pair, pair_groups, shown_pairs
from fvm_eval.report.families import family_label, methods_of, sizes
from fvm_eval.report.method_styles import MethodStyle, method_styles
from fvm_eval.report.text import capital, escape, limits, number, plural, table
from fvm_eval.statistics.intervals import Interval


def scores(analysis: Analysis) -> str:
    """Returns every method's summaries and their differences, over these tasks and over new tasks."""
    study, scale = analysis.study, analysis.scale
    caption = (
        f"{scale.label}, with 95 % intervals. “These”: for these {plural(len(study.tasks), 'task')}, over "
        "checkpoints. “New”: for new tasks of the same population, over checkpoints and tasks."
    )
    if (same := _same_checkpoints(analysis)) is not None:
        caption += f" Every method has {plural(same, 'checkpoint')}."
    if analysis.regret:
        caption += " Regret: what the best possible player scores beyond the method at the budget."
    intervals = [i for s in analysis.summaries for i in (*s.fixed.values(), *s.new.values())]
    intervals += [i for d in analysis.differences for i in (d.fixed, d.new)]
    notes = sorted({i.note for i in intervals if i.note})
    why = "".join(f'<p class="quiet">{escape(capital(note))}.</p>' for note in notes)
    pairs = shown_pairs(study, analysis.differences)
    differences = _differences(analysis, pairs)
    if len(pairs) > MAX_PAIRS:
        differences = f"<details><summary>{len(pairs)} differences</summary>{differences}</details>"
    return (
        f'<section><h2>Results</h2><p class="quiet">{escape(caption)}</p>{_methods(analysis)}{why}'
        f"{differences}</section>"
    )


def swatch(style: MethodStyle) -> str:
    """Returns a method's line as it is in the figures, to stand before its name."""
    dashes = "".join(f"{2 * length:g} " for length in style.dashes).strip()
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    marks = {
        "o": '<circle cx="13" cy="5" r="3.4"/>',
        "s": '<path d="M10 2h6v6h-6z"/>',
        "^": '<path d="M13 1.4l3.8 7h-7.6z"/>',
        "D": '<path d="M13 .8l4.2 4.2-4.2 4.2-4.2-4.2z"/>',
    }
    line = f'<path d="M1 5h24" fill="none"{dashed}/>'
    return (
        f'<svg class="swatch" viewBox="0 0 26 10" aria-hidden="true" style="fill:var(--m{style.index});'
        f'stroke:var(--m{style.index})">{line}{marks[style.marker]}</svg>'
    )


def _methods(analysis: Analysis) -> str:
    study, scale, summaries = analysis.study, analysis.scale, analysis.summaries
    head = ["", *(summary.name for summary in summaries)]
    if analysis.regret:
        head.insert(2, "Regret at budget" if study.final_step else "Regret")
    same = _same_checkpoints(analysis) is not None
    head += [] if same else ["Checkpoints"]
    unsized = [m for m in study.methods if m not in study.train_sizes]
    groups: list[tuple[str, Sequence[str]]] = [("", study.methods)]
    if len(sizes(study)) > 1:
        sized = [
            (size, [m for m in methods_of(study, size) if m in study.train_sizes]) for size in sizes(study)
        ]
        groups = [("", unsized), *((f"{size:,} training tasks", mine) for size, mine in sized)]
    rows = []
    for title, methods in groups:
        rows += [[title]] if title else []
        for method in methods:
            cells = [_estimate(s.fixed[method], s.new[method], scale.value) for s in summaries]
            if analysis.regret:
                cells.insert(1, _estimate(analysis.regret[method], None, scale.difference))
            name = family_label(study, method) if title else study.label(method)
            label = f"{swatch(method_styles(analysis.study)[method])}{escape(name)}"
            rows.append([label, *cells, *([] if same else [f"{summaries[0].fixed[method].checkpoints}"])])
    blank = [""] * (len(head) - 2)
    references = [(study.label(name), value) for name, value in analysis.baselines.items()]
    if analysis.best:
        references.append(("Best possible", sum(analysis.best[t] for t in study.tasks) / len(study.tasks)))
    rows += [["Baselines"]] if references and len(groups) > 1 else []
    rows += [
        [f'<span class="quiet">{escape(name)}</span>', number(scale.value(value)), *blank]
        for name, value in references
    ]
    return table(head, rows)


def _differences(analysis: Analysis, pairs: Sequence[Pair]) -> str:
    study, names = analysis.study, [summary.name for summary in analysis.summaries]
    same = _same_checkpoints(analysis) is not None
    found: dict[tuple[str, str], dict[str, Difference]] = {}
    for difference in analysis.differences:
        found.setdefault((difference.left, difference.right), {})[difference.summary] = difference
    groups = pair_groups(study, pairs)
    if len(pairs) <= MAX_PAIRS:
        groups = {("", None): list(pairs)}
    rows = []
    for (_, size), group in groups.items():
        if len(pairs) > MAX_PAIRS:
            against = f"minus {family_label(study, group[0][1])}"
            rows.append([against if size is None else f"{against}, {size:,} training tasks"])
        for left, right in group:
            mine, shown = found[left, right], analysis.scale.difference
            cells = [
                _estimate(mine[n].fixed, mine[n].new, shown, signed=True) if n in mine else "" for n in names
            ]
            fewest = min(difference.fixed.checkpoints for difference in mine.values())
            name = escape(family_label(study, left))
            if len(pairs) <= MAX_PAIRS:
                name += f" − {escape(family_label(study, right))}"
            rows.append([name, *cells, *([] if same else [f"{fewest}"])])
    return table(["Difference", *names, *([] if same else ["Checkpoints"])], rows) if rows else ""


def _same_checkpoints(analysis: Analysis) -> int | None:
    """Returns how many checkpoints each method has, None if they differ."""
    counts = {interval.checkpoints for interval in analysis.summaries[0].fixed.values()}
    return counts.pop() if len(counts) == 1 else None


def _estimate(
    fixed: Interval, new: Interval | None, shown: Callable[[float], float], *, signed: bool = False
) -> str:
    both = [("these", limits(fixed, shown, signed=signed))]
    both += [] if new is None else [("new", limits(new, shown, signed=signed))]
    if fixed.low is None and (new is None or new.low is None):
        both = [("", "no interval")]
    lines = "".join(f"<small>{kind} {text}</small>" for kind, text in both)
    return f"<b>{number(shown(fixed.mean), signed=signed)}</b>{lines}"
