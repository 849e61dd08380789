"""Cells of another, finished study, on a family on which a method is known to gain."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from study.claims.arms import CONTROL
from study.config import StudyConfig
from study.errors import StudyError
from study.folder.files import Damaged
from study.folder.tables import Columns, read_table
from study.measures import moments, trials
from study.measures.columns import RUN_TYPES
from study.methods import Method
from study.registry import Findings, Finished, Measure, MethodKind, registered

RANGE = (0.0, 1.0)  # of the families that serve as controls


def control_cells(folder: Path) -> pl.DataFrame:
    """Returns the cells of a finished study in which a method is known to have something to gain.

    Raises:
        StudyError: The folder holds no such table, or one that cannot be believed.
    """
    cells = []
    for name in (trials.TABLE, moments.TABLE):
        if not (folder / name).exists():
            continue
        score = "score" if name == trials.TABLE else "value"
        own: Columns = {"lifetime": pl.Int64, "trial": pl.Int64} if name == trials.TABLE else {}
        columns: Columns = {**RUN_TYPES, score: pl.Float64, **own}
        try:
            table = read_table(folder, name, columns)
        except (Damaged, OSError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise StudyError(
                f"--control: {folder / name} cannot be used ({why}); run that study's own command again, "
                "which writes its tables anew"
            ) from None
        if name == trials.TABLE:
            ranges = dict.fromkeys(table["task"].unique().to_list(), RANGE)
            table = trials.by_trial(table, ranges)
        cells.append(table.select(*RUN_TYPES, "value"))
    if not cells:
        raise StudyError(
            f"--control {str(folder)[:200]} is no finished study of a method that is known to gain (it has "
            f"neither {trials.TABLE} nor {moments.TABLE}); {advice(controlled())}"
        )
    return pl.concat(cells)


def controlled() -> list[MethodKind]:
    """Returns the methods that have a control."""
    return [kind for kind in registered().methods.values() if kind.control is not None]


def advice(kinds: Sequence[MethodKind]) -> str:
    """Returns which commands make the controls of methods."""
    made = [f"{kind.control.made_by} for {kind.label}" for kind in kinds if kind.control is not None]
    return f"name a finished study: {', '.join(made)}"


def check_control(folder: Path, configs: Sequence[StudyConfig]) -> None:
    """Raises StudyError unless the folder has results of the methods whose control it is to be."""
    arms = set(control_cells(folder)["method"])
    asked = {Method.parse(name).pretraining for config in configs for name in config.methods}
    for kind in controlled():
        if kind.control is not None and kind.name in asked and kind.control.arm(kind.name) not in arms:
            raise StudyError(
                f"--control {folder} has no results of {kind.name}, whose control it is to be; "
                f"{advice([kind])}"
            )


def control_findings(folder: Path) -> Findings:
    """Returns the cells of a finished study, with the range of its scores where they keep to it."""
    cells = control_cells(folder)
    bounds = {CONTROL: RANGE} if cells["value"].is_between(*RANGE).all() else {}
    return Findings(cells={CONTROL: cells}, cell_bounds=bounds)


def findings(finished: Finished) -> Findings:
    """Returns those cells, where a study was named."""
    return Findings() if finished.control is None else control_findings(finished.control)


CONTROL_FAMILY = Measure(name="control", findings=findings)
