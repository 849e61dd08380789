"""The report's page: what was asked, what came out, how sure, and how to make it again, in that order."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from fvm_eval.analysis.study_analysis import analyse
from fvm_eval.analysis.study_results import StudyResults
from fvm_eval.report import drawing, sections
from fvm_eval.report.captions import pictures
from fvm_eval.report.claims_table import claims
from fvm_eval.report.scores import scores
from fvm_eval.report.style import CSS
from fvm_eval.report.text import escape


def render(results: StudyResults) -> dict[str, bytes]:
    """Returns the report's files by name: report.html, which needs no other file, and the figures.

    The same results give the same bytes. Writing them is the caller's.

    Raises:
        TableError: A run lacks its evaluation at the budget, or a task its score range.
    """
    analysis = analyse(results)
    content = [sections.header(analysis), claims(analysis), sections.estimand(analysis)]
    files: dict[str, bytes] = {}
    for picture in pictures(analysis):
        draw = partial(picture.draw, analysis)
        files |= drawing.files(picture.name, draw)
        drawn = drawing.inline(picture.name, draw, escape(picture.heading))
        figure = f"<figure>{drawn}<figcaption>{escape(picture.caption)}</figcaption></figure>"
        if picture.within:  # belongs to what comes before it
            content.append(figure)
        elif picture.folded:
            content.append(f"<details><summary>{escape(picture.heading)}</summary>{figure}</details>")
        else:
            content.append(f"<section><h2>{escape(picture.heading)}</h2>{figure}</section>")
        if picture.name == "adaptation":
            content.append(scores(analysis))
    content += [
        sections.checklist(analysis),
        sections.costs(analysis),
        sections.splits(analysis),
        sections.configuration(results.config, results.environment),
        sections.rerun(results.rerun),
    ]
    return {"report.html": document(results.title, content), **files}


def document(title: str, content: Sequence[str]) -> bytes:
    """Returns the HTML page with these parts, of which empty ones are left out."""
    body = "\n".join(part for part in content if part)
    page = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{CSS}</style>\n</head>\n"
        f"<body><main>\n{body}\n</main></body>\n</html>\n"
    )
    return page.encode()
