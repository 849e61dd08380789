"""The report's page: what was asked, what came out, how sure, and how to make it again, in that order."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from markupsafe import Markup

from fvm_eval.analysis.secondary import secondary_of
from fvm_eval.analysis.study_analysis import Analysis, analyse
from fvm_eval.analysis.study_results import StudyResults
from fvm_eval.report import drawing, sections
from fvm_eval.report.captions import Picture, pictures
from fvm_eval.report.cells import filled
from fvm_eval.report.claims_table import claims
from fvm_eval.report.exports import exports
from fvm_eval.report.films import film_files, films
from fvm_eval.report.headline import answer, header, notes
from fvm_eval.report.scores import scores
from fvm_eval.report.secondary import secondary
from fvm_eval.report.style import CSS, scoped


def render(results: StudyResults) -> dict[str, bytes]:
    """Returns the report's files by name: report.html, which needs no other file, figures and tables.

    The same results give the same bytes. Writing them is the caller's.

    Raises:
        TableError: A run lacks its evaluation at the budget, or a task its score range.
    """
    return files_of(analyse(results))


def files_of(analysis: Analysis) -> dict[str, bytes]:
    """Returns the report's files of numbers that are computed already; as `render`."""
    study, found = analysis.study, secondary_of(analysis)
    content: list[Markup] = [header(analysis), claims(analysis), sections.estimand(analysis)]
    files: dict[str, bytes] = {}
    for picture in pictures(analysis, found):
        draw = partial(picture.draw, analysis)
        made, inline = drawing.drawn(picture.name, draw, picture.heading)
        files |= made
        content.append(_figure(picture, inline, within=picture.within))
        if picture.name == "adaptation":
            content.append(scores(analysis))
    content += [
        films(study),
        secondary(analysis, found),
        sections.checklist(analysis),
        sections.costs(analysis),
        sections.splits(analysis),
        sections.configuration(study.config, study.environment),
        sections.rerun(study.rerun),
    ]
    return {
        "report.html": document(study.title, content),
        **files,
        **film_files(study),
        **exports(analysis, found),
    }


def document(title: str, content: Sequence[Markup]) -> bytes:
    """Returns the HTML page with these parts, of which empty ones are left out."""
    page = filled("page.html", title=title, css=Markup(CSS), content=content)
    return f"{page}\n".encode()


def notebook(analysis: Analysis) -> str:
    """Returns what a notebook shows of an analysis: answer, scores and figures, in the page’s style.

    Plain elements in one of their own class: notebooks put it into a page that is there already, where a
    shadow tree that the markup declares stays empty.
    """
    content: list[Markup] = [
        answer(analysis),
        *(Markup("<p class='note'>{}</p>").format(n) for n in notes(analysis)),
    ]
    content.append(scores(analysis))
    for picture in pictures(analysis):
        if picture.name in ("adaptation", "differences"):
            _, inline = drawing.drawn(picture.name, partial(picture.draw, analysis), picture.heading)
            content.append(_figure(picture, inline, within=True))
    within = ".fvm-eval" * 3  # outweighs what notebooks say of tables
    own = f"{within}{{padding:.2rem 1rem 1rem}}{within} :is(table,tr){{background:none;color:inherit}}"
    style = scoped(within) + own
    return f'<div class="fvm-eval"><style>{style}</style>{"".join(content)}</div>'


def _figure(picture: Picture, inline: str, *, within: bool) -> Markup:
    return filled(
        "figure.html",
        drawn=Markup(inline),
        heading=picture.heading,
        caption=picture.caption,
        within=within,
        folded=picture.folded,
    )
