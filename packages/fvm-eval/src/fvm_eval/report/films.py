"""The page's films: a row for each agent and task, played where they stand."""

from __future__ import annotations

import base64
import re

from markupsafe import Markup

from fvm_eval.analysis.study_results import StudyResults
from fvm_eval.report.cells import filled


def films(study: StudyResults) -> Markup:
    """Returns the section of the study's films; empty where there are none."""
    if not study.films:
        return Markup("")
    rows: dict[tuple[str, str], list[dict[str, str]]] = {}
    for film in study.films:
        shown = {"caption": film.caption, "data": base64.b64encode(film.mp4).decode()}
        rows.setdefault((film.method, film.task), []).append(shown)
    named = [
        {"heading": f"{study.label(method)} on {task}", "films": mine}
        for (method, task), mine in rows.items()
    ]
    return filled("films.html", rows=named)


def film_files(study: StudyResults) -> dict[str, bytes]:
    """Returns the films by file name."""
    return {f"{re.sub(r'[^A-Za-z0-9.-]+', '-', film.name)}.mp4": film.mp4 for film in study.films}
