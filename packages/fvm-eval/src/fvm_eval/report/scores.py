"""Tables of scores: every method's summaries, and the differences of those that are compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from markupsafe import Markup

from fvm_eval.analysis.study_analysis import Analysis
from fvm_eval.analysis.study_results import AREA
from fvm_eval.analysis.summaries import MAX_PAIRS, Difference, Pair, grouped, pair_groups, shown_pairs
from fvm_eval.naming import plural
from fvm_eval.report.cells import Cell, Grid, Row, filled
from fvm_eval.report.families import family_label, groups, methods_of, sizes
from fvm_eval.report.method_styles import method_styles
from fvm_eval.report.text import capital, distinct, estimated, limits, number, tasks_text, these
from fvm_eval.report.uncompared import uncompared
from fvm_eval.statistics.feasible import wider
from fvm_eval.statistics.intervals import Interval

_BY_T = ("cluster-t", "paired cluster-t", "Welch", "two-way")
_FORMULAS = {
    "Korn-Graubard": "Korn and Graubard’s limits for rates",
    "Gaffke": "Gaffke’s for scores with known ends",
    "MOVER": "MOVER’s for their differences",
    "binomial": "exact binomial ones where all checkpoints agree",
}


def scores(analysis: Analysis) -> Markup:
    """Returns every method's summaries and their differences, over these tasks and over new tasks."""
    study, scale = analysis.study, analysis.scale
    caption = (
        f"{scale.label}, with 95 % intervals. “These”: for {_which(len(study.tasks))}, over "
        "checkpoints. “New”: for new tasks of the same population, over checkpoints and tasks."
    )
    if (same := same_checkpoints(analysis)) is not None:
        caption += f" Behind every task of a method stand {plural(same, 'checkpoint')}."
    caption += _how(analysis)
    if any(summary.name == AREA for summary in analysis.summaries):
        caption += f" Area under the curve: the mean over env steps 0 to {study.final_step:,}."
    if analysis.regret:
        caption += " Regret: what the best possible player scores beyond the method at the budget."
    notes = [*filter(None, [uncompared(analysis)]), *_notes(analysis), *cut(analysis)]
    pairs = shown_pairs(study, analysis.differences)
    return filled(
        "results.html",
        heading="Results",
        caption=caption,
        methods=methods_grid(analysis),
        notes=notes,
        differences=differences_grid(analysis, pairs),
        folded=f"{len(pairs)} differences" if len(pairs) > MAX_PAIRS else "",
    )


def in_brackets(analysis: Analysis) -> str:
    """Returns what the numbers of a table are whose cells hold a mean and, in brackets, its interval."""
    study = analysis.study
    said = [f"{analysis.scale.label}, mean over {tasks_text(len(study.tasks))}"]
    same = same_checkpoints(analysis)
    over = "checkpoints" if same is None else f"{plural(same, 'checkpoint')} a method"
    if any(interval.low is not None for interval in analysis.summaries[0].fixed.values()):
        said = [f"{said[0]}; in brackets 95 % for {these(len(study.tasks))}, over {over}"]
    if any(summary.name == AREA for summary in analysis.summaries):
        said.append(f"area under the curve: the mean over env steps 0 to {study.final_step:,}")
    notes = {i.note for s in analysis.summaries for i in s.fixed.values() if i.note}
    notes |= {d.fixed.note for d in analysis.differences if d.fixed.note}
    sentences = [f"{capital(text)}." for text in [*said, *distinct(notes)]]
    return " ".join([*sentences, *filter(None, [uncompared(analysis)])])


def _which(tasks: int) -> str:
    return "this one task" if tasks == 1 else f"these {tasks:,} tasks"


def _notes(analysis: Analysis) -> list[str]:
    """Returns what a reader must know of the intervals; what is so of those over new tasks alone says so."""
    pairs = [(s.fixed[m], s.new[m]) for s in analysis.summaries for m in s.fixed if m in s.new]
    pairs += [(d.fixed, d.new) for d in analysis.differences]
    these = {fixed.note for fixed, _ in pairs if fixed.note}
    new = {new.note for _, new in pairs if new.note} - these
    return [f"{capital(note)}." for note in distinct(these)] + [
        f"Over new tasks: {note}." for note in sorted(new)
    ]


def _how(analysis: Analysis) -> str:
    """Returns by which formulas the intervals over these tasks were made, where it is not t alone."""
    intervals = [i for s in analysis.summaries for i in s.fixed.values()]
    intervals += [d.fixed for d in analysis.differences]
    found = {interval.how for interval in intervals}
    named = [text for how, text in _FORMULAS.items() if how in found]
    if not named:
        return ""
    beside = " Where t does not decide, its limits stand beside." if any(i.beside for i in intervals) else ""
    wide = [wider(how, min(i.checkpoints for i in intervals if i.how == how)) for how in sorted(found)]
    said = "; ".join(filter(None, wide))
    said = f" Some limits are wider than 95 % needs: {said}." if said else ""
    return f" Over {these(len(analysis.study.tasks))}: {', '.join(named)}; t elsewhere.{beside}{said}"


def cut(analysis: Analysis) -> list[str]:
    """Returns a sentence where a t interval reached beyond the possible scores; empty if none did."""
    if analysis.score_bounds is None:
        return []
    lowest, highest = analysis.score_bounds
    span = highest - lowest
    means = [i for s in analysis.summaries for i in (*s.fixed.values(), *s.new.values())]
    differences = [i for d in analysis.differences for i in (d.fixed, d.new)]
    touching = any(ends_at(i, lowest, highest) for i in means)
    touching = touching or any(ends_at(i, -span, span) for i in differences)
    if not touching:
        return []
    low, high = (number(analysis.scale.value(bound)) for bound in (lowest, highest))
    return [f"t does not know that scores lie in {low} to {high}: its limits are cut to what is possible."]


def ends_at(interval: Interval, low: float, high: float) -> bool:
    """Whether a t interval, or one beside the one that decides, ends at what is possible."""
    by_t = [] if interval.beside is None else [interval.beside[:2]]
    if interval.how in _BY_T and interval.low is not None and interval.high is not None:
        by_t.append((interval.low, interval.high))
    return any(first <= low or last >= high for first, last in by_t)


def methods_grid(analysis: Analysis) -> Grid:
    """Returns a row a method, a column a summary; baselines and the best possible score below."""
    study, scale, summaries = analysis.study, analysis.scale, analysis.summaries
    head = ["", *(study.summary_label(summary.name) for summary in summaries)]
    if analysis.regret:
        head.insert(2, "Regret at budget" if study.final_step else "Regret")
    same = same_checkpoints(analysis) is not None
    head += [] if same else ["Checkpoints"]
    unsized = [m for m in study.methods if m not in study.train_sizes]
    titled: list[tuple[str, Sequence[str]]] = [("", study.methods)]
    if study.conditions:
        titled = [*groups(study)]
    elif len(sizes(study)) > 1:
        sized = [
            (size, [m for m in methods_of(study, size) if m in study.train_sizes]) for size in sizes(study)
        ]
        titled = [("", unsized), *((plural(size, "training task"), mine) for size, mine in sized if size)]
    rows: list[Row] = []
    for title, methods in titled:
        rows += [[title]] if title else []
        for method in methods:
            cells = [estimate_cell(s.fixed[method], s.new[method], scale.value) for s in summaries]
            if analysis.regret:
                cells.insert(1, estimate_cell(analysis.regret[method], None, scale.difference))
            name = family_label(study, method) if title else study.label(method)
            label = Cell(name, style=method_styles(study)[method])
            rows.append([label, *cells, *([] if same else [f"{summaries[0].fixed[method].checkpoints}"])])
    blank = [""] * (len(head) - 2)
    references = [(study.label(name), value) for name, value in analysis.baselines.items()]
    if analysis.best:
        references.append(("Best possible", sum(analysis.best[t] for t in study.tasks) / len(study.tasks)))
    rows += [["Baselines"]] if references and len(titled) > 1 else []
    rows += [[Cell(name, quiet=True), number(scale.value(value)), *blank] for name, value in references]
    return Grid(head, rows)


def differences_grid(analysis: Analysis, pairs: Sequence[Pair]) -> Grid:
    """Returns a row a pair, a column a summary; many pairs grouped by their right side."""
    study, names = analysis.study, [summary.name for summary in analysis.summaries]
    same = same_checkpoints(analysis) is not None
    found: dict[tuple[str, str], dict[str, Difference]] = {}
    for difference in analysis.differences:
        found.setdefault((difference.left, difference.right), {})[difference.summary] = difference
    titled = pair_groups(study, pairs)
    together = not grouped(study, pairs)
    if together:
        titled = {("", ""): list(pairs)}
    rows: list[Row] = []
    for (_, title), group in titled.items():
        if not together:
            against = f"minus {family_label(study, group[0][1])}"
            rows.append([f"{against}, {title}" if title else against])
        for left, right in group:
            mine, shown = found[left, right], analysis.scale.difference
            cells: list[str | Cell] = [
                estimate_cell(mine[n].fixed, mine[n].new, shown, signed=True) if n in mine else ""
                for n in names
            ]
            fewest = min(difference.fixed.checkpoints for difference in mine.values())
            name = family_label(study, left)
            if together:
                name += f" − {family_label(study, right)}"
            rows.append([name, *cells, *([] if same else [f"{fewest}"])])
    shown_names = [study.summary_label(name) for name in names]
    return Grid(["Difference", *shown_names, *([] if same else ["Checkpoints"])], rows)


def same_checkpoints(analysis: Analysis) -> int | None:
    """Returns how many checkpoints each method has, None if they differ."""
    counts = {interval.checkpoints for interval in analysis.summaries[0].fixed.values()}
    return counts.pop() if len(counts) == 1 else None


def estimate_cell(
    fixed: Interval, new: Interval | None, shown: Callable[[float], float], *, signed: bool = False
) -> Cell:
    """Returns the estimate with its interval over these tasks, and over new tasks."""
    both = [f"these {limits(fixed, shown, signed=signed)}"]
    if fixed.beside is not None:
        low, high, name = fixed.beside
        both.append(f"{name} {limits(replace(fixed, low=low, high=high), shown, signed=signed)}")
    both += [] if new is None else [f"new {limits(new, shown, signed=signed)}"]
    if fixed.low is None and (new is None or new.low is None):
        both = ["no interval"]
    return Cell(estimated(fixed, shown, signed=signed), both, strong=True)
