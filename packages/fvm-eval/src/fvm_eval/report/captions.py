"""Which figures a report has, in the page's order, with their headings and captions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial

import polars as pl

from fvm_eval.analysis.secondary import Secondary
from fvm_eval.analysis.study_analysis import Analysis
from fvm_eval.analysis.study_results import NEW_LEVELS
from fvm_eval.analysis.summaries import shown_pairs
from fvm_eval.naming import plural
from fvm_eval.report import figures
from fvm_eval.report.families import family_label, groups, methods_of, sizes
from fvm_eval.report.figures.curves import one_each
from fvm_eval.report.figures.panels import MAX_BANDS
from fvm_eval.report.figures.tasks import MAX_RUNS, MAX_TASKS
from fvm_eval.report.text import tasks_text, these


@dataclass(frozen=True)
class Picture:
    """A figure on the page.

    Attributes:
        name: Of its files.
        draw: Makes it.
        heading: Above it; what it shows, for those who cannot see it.
        caption: Below it.
        within: Whether it belongs to the section before it.
        folded: Whether it is unfolded by the reader.
    """

    name: str
    draw: figures.Draw
    heading: str
    caption: str
    within: bool = False
    folded: bool = False


def pictures(analysis: Analysis, secondary: Secondary | None = None) -> list[Picture]:
    """Returns the figures there is data for."""
    study = analysis.study
    found = [_adaptation(analysis)]
    if any(d.shown for d in analysis.differences):
        margin = " Shaded: the margin of the claims." if figures.margin(analysis) is not None else ""
        new = any(d.shown and d.new.low is not None for d in analysis.differences)
        every = {(d.left, d.right) for d in analysis.differences}
        some = (
            " Only pairs with a reference."
            if len(shown_pairs(study, analysis.differences)) < len(every)
            else ""
        )
        text = (
            f"Thick: 95 % on {these(len(study.tasks))}."
            f"{' Thin: 95 % on new tasks of the same population.' if new else ''}{margin}{some}"
        )
        found.append(Picture("differences", figures.differences, "Differences", text, within=True))
    if analysis.online is not None:
        text = (
            "Episodes that ended during adaptation, learning and exploration included: another question than "
            f"the deployment score above.{_remembers(analysis)}{_seeds(analysis, analysis.online)}"
        )
        found.append(Picture("online", figures.online, "Return while adapting", text))
    if analysis.trials is not None:
        found.append(
            Picture("by_trial", figures.by_trial, "Return by trial within a lifetime", _trials(analysis))
        )
    if analysis.zero_shot is not None:
        which = (
            "new levels, never trained on"
            if NEW_LEVELS in study.cells
            else f"the held-out task{'s' * (len(study.tasks) > 1)}, at env step 0"
        )
        text = (
            f"Score without any adaptation on {which}. Bars: 95 % over checkpoints. Families are moved apart."
        )
        found.append(Picture("zero_shot", figures.zero_shot, "Zero-shot by number of training tasks", text))
    if len({study.eps_schedules[m] for m in study.methods if m in study.eps_schedules}) > 1:
        text = (
            "Step size ε from the start to the end of pretraining. Bars: 95 % over checkpoints. Hollow: "
            f"zero-shot.{_references(analysis)}"
        )
        found.append(Picture("schedules", figures.schedules, "Step size schedule", text))
    found += [
        Picture(panel.name, panel.draw, panel.heading, panel.caption, folded=panel.folded)
        for panel in study.panels
    ]
    if analysis.has_curve:
        found += _by_task(analysis)
    if analysis.pretraining is not None:
        text = f"Return of training episodes.{_seeds(analysis, analysis.pretraining)}"
        found.append(Picture("pretraining", figures.pretraining, "Pretraining", text))
    if secondary is not None:
        draw = partial(figures.profiles, found=secondary)
        found.append(Picture("profiles", draw, "Performance profiles", _profiles(analysis)))
    return found


def _references(analysis: Analysis) -> str:
    """Returns which methods are drawn across the panels."""
    study = analysis.study
    names = dict.fromkeys(
        family_label(study, m) for m in study.methods if study.family(m) in study.references
    )
    return f" Vertical lines with bands: {' and '.join(names)}." if names else ""


def _profiles(analysis: Analysis) -> str:
    counts = [len(methods) for _, methods in groups(analysis.study)]
    some = "" if max(counts) <= MAX_BANDS else f", where at most {MAX_BANDS} methods share a panel"
    drawn = min(counts) <= MAX_BANDS
    bands = f" Bands: 95 % over checkpoints, at each score by itself{some}." if drawn else ""
    return f"Share of runs, one a checkpoint and task, that score more than what stands below.{bands}"


def _adaptation(analysis: Analysis) -> Picture:
    study = analysis.study
    on = these(len(study.tasks))
    limits = f"Band: 95 % over checkpoints, on {on}."
    if _most(analysis) > MAX_BANDS and analysis.has_curve:
        last = "at the budget" if study.adaptation else "at the last step"
        limits = f"Bars at the right: 95 % {last} over checkpoints, on {on}."
    if not analysis.has_curve:
        limits = limits.replace("Band", "Bar")
    if not analysis.pooled["low"].count():
        limits = "No interval: one checkpoint a method has no spread."
    best = " Dotted: the best possible score." if analysis.best else ""
    if not analysis.has_curve:
        return Picture("adaptation", figures.adaptation, "Scores", f"Task-equal mean. {limits}")
    if not study.adaptation:
        text = f"Mean score over {tasks_text(len(study.tasks))}. {limits}{best}"
        return Picture("adaptation", figures.adaptation, "Score by env step", text)
    text = (
        f"Mean score of frozen snapshots over {tasks_text(len(study.tasks), 'held-out task')}, in fresh "
        f"episodes without learning. {limits}{best}{_remembers(analysis)}"
    )
    return Picture("adaptation", figures.adaptation, "Adaptation to held-out tasks", text)


def _by_task(analysis: Analysis) -> list[Picture]:
    study = analysis.study
    shown = min(len(study.tasks), MAX_TASKS)
    task = "held-out task" if study.adaptation else "task"
    which = f"each {task}" if shown == len(study.tasks) else f"the first {shown} {task}s"
    seeds = study.episodes["seed"].n_unique()
    best = " Dotted: the best possible score." if analysis.best else ""

    def text(methods: Sequence[str]) -> str:
        single = " Thin lines: single seeds." if 1 < seeds <= MAX_RUNS / len(methods) else ""
        return f"The same curves on {which}.{single}{best}"

    if study.conditions:
        return [
            Picture(
                f"by_task_{number}",
                partial(figures.by_task, methods=methods),
                f"Task by task, {title}",
                text(methods),
                folded=True,
            )
            for number, (title, methods) in enumerate(groups(study))
        ]
    several = [size for size in sizes(study) if size is not None]
    if len(several) < 2:
        return [Picture("by_task", figures.by_task, "Task by task", text(study.methods))]
    last = several[-1]
    first = Picture(
        f"by_task_{last}",
        partial(figures.by_task, size=last),
        f"Task by task, {plural(last, 'training task')}",
        text(methods_of(study, last)),
    )
    others = [
        Picture(
            f"by_task_{size}",
            partial(figures.by_task, size=size),
            f"Task by task, {plural(size, 'training task')}",
            text(methods_of(study, size)),
            folded=True,
        )
        for size in several[:-1]
    ]
    return [first, *others]


def _trials(analysis: Analysis) -> str:
    trained = analysis.study.trained_trials
    several = "s" * (len(analysis.study.tasks) > 1)
    text = (
        f"Mean over lifetimes on the held-out task{several}, without gradients. Band: 95 % over checkpoints."
    )
    rows = analysis.trials
    if trained and rows is not None and int(rows["trial"].to_numpy().max()) > min(trained.values()):
        counts = " or ".join(str(count) for count in sorted(set(trained.values())))
        text += f" Trained with {counts} trials a lifetime; later ones are extrapolation (shaded)."
    return text


def _remembers(analysis: Analysis) -> str:
    """Returns what the env steps of agents that remember are."""
    study = analysis.study
    arms = set(study.trained_trials)
    arms |= set() if study.trials is None else set(study.trials["method"].unique())
    names = dict.fromkeys(family_label(study, method) for method in study.methods if method in arms)
    if not names:
        return ""
    most = None
    if study.spending is not None:
        most = study.spending.filter(pl.col("method").is_in(list(arms)))["env_steps"].max()
    ends = f", at most {most:,}; beyond, its memory stays as it is" if isinstance(most, int) else ""
    return f" {' and '.join(names)}: env steps within one lifetime{ends}."


def _seeds(analysis: Analysis, rows: pl.DataFrame) -> str:
    """Returns what is drawn of single seeds beside these curves."""
    seeds = analysis.study.episodes["seed"].n_unique()
    if seeds < 2:
        return ""
    mean = f" Lines: means over those of {seeds} seeds in which an episode ended in the stretch."
    thin, bars = " Thin lines: single seeds.", " Bars at the end: 95 % over seeds."
    if one_each(analysis, rows):
        return f" A panel for each method.{mean}{thin}{bars}"
    many = _most(analysis, set(rows["method"])) > MAX_BANDS
    return f"{mean}{bars if many else thin}"


def _most(analysis: Analysis, drawn: Collection[str] | None = None) -> int:
    """Returns how many methods share the fullest panel, of all or of those drawn."""
    drawn = analysis.study.methods if drawn is None else drawn
    return max(sum(m in drawn for m in methods) for _, methods in groups(analysis.study)) or len(drawn)
