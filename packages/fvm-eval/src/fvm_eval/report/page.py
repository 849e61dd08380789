"""The report's page: what was asked, what came out, how sure, and how to make it again, in that order."""

from __future__ import annotations

from fvm_eval.report import drawing, figures, sections
from fvm_eval.report.analysis import Analysis, analyse
from fvm_eval.report.style import CSS
from fvm_eval.report.text import escape
from fvm_eval.results import StudyResults


def render(results: StudyResults) -> dict[str, bytes]:
    """Returns the report's files by name: report.html, which needs no other file, and the figures.

    The same results give the same bytes. Writing them is the caller's.

    Raises:
        TableError: A run lacks its evaluation at the budget, or a task its score range.
    """
    analysis = analyse(results)
    drawn = _figures(analysis)
    content: list[str] = [sections.header(analysis), sections.estimand(analysis)]
    files: dict[str, bytes] = {}
    for name, (draw, heading, caption) in drawn.items():
        files |= drawing.files(name, draw, analysis)
        picture = drawing.inline(name, draw, analysis, escape(heading))
        key = sections.key(analysis) if name == "by_task" else ""
        figure = f"<figure>{key}{picture}<figcaption>{escape(caption)}</figcaption></figure>"
        if name == "differences":
            content.append(figure)  # belongs to the table of results, which comes before it
        else:
            content.append(f"<section><h2>{escape(heading)}</h2>{figure}</section>")
        if name == "adaptation":
            content.append(sections.results_table(analysis))
    content += [
        sections.checklist(analysis),
        sections.costs(analysis),
        sections.splits(analysis),
        sections.configuration(analysis),
        sections.rerun(analysis),
    ]
    body = "\n".join(part for part in content if part)
    page = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
        f"<title>{escape(results.title)}</title>\n<style>{CSS}</style>\n</head>\n"
        f"<body><main>\n{body}\n</main></body>\n</html>\n"
    )
    return {"report.html": page.encode(), **files}


def _figures(analysis: Analysis) -> dict[str, tuple[figures.Draw, str, str]]:
    """Returns the figures there is data for, in the page's order: function, heading, caption."""
    study = analysis.study
    band = (
        "Band: 95 % over checkpoints, on these tasks."
        if analysis.pooled["low"].count()
        else ("No band: one checkpoint a method has no spread.")
    )
    single = " Thin lines: single seeds." if study.episodes["seed"].n_unique() > 1 else ""
    drawn: dict[str, tuple[figures.Draw, str, str]] = {}
    if analysis.has_curve:
        drawn["adaptation"] = (
            figures.adaptation,
            "Adaptation to held-out tasks",
            f"Mean score of frozen snapshots over {len(study.tasks)} held-out tasks, each with equal weight, "
            f"in fresh episodes without learning. {band}",
        )
    else:
        drawn["adaptation"] = (
            figures.adaptation,
            "Scores",
            f"Task-equal mean. {band.replace('Band', 'Bar')}",
        )
    if any(d.fixed.low is not None or d.new.low is not None for d in analysis.differences):
        margin = " Shaded: the margin fixed beforehand." if analysis.verdicts else ""
        drawn["differences"] = (
            figures.differences,
            "Differences",
            f"Thick: 95 % on these tasks. Thin: 95 % on new tasks of the same population.{margin}",
        )
    if analysis.has_curve:
        shown = min(len(study.tasks), figures.MAX_PANELS)
        which = "each held-out task" if shown == len(study.tasks) else f"the first {shown} held-out tasks"
        drawn["by_task"] = (
            figures.by_task,
            "Task by task",
            f"The same curves on {which}.{single}",
        )
    if study.online is not None and len(study.online):
        drawn["online"] = (
            figures.online,
            "Return while adapting",
            "Episodes that ended during adaptation, learning and exploration included: another question than "
            f"the deployment score above.{single}",
        )
    if study.pretraining is not None and len(study.pretraining):
        drawn["pretraining"] = (
            figures.pretraining,
            "Pretraining",
            f"Return of training episodes.{single}",
        )
    return drawn
