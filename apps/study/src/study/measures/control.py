"""Cells of another, finished study, on a family on which a method is known to gain."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from study.claims.arms import CONTROL
from study.errors import StudyError
from study.measures import moments, trials
from study.registry import Findings, Finished, Measure


def control_cells(folder: Path) -> pl.DataFrame:
    """Returns the cells of a finished toy study, in which RL2 or PEARL is known to have something to gain.

    Raises:
        StudyError: The folder holds no such table.
    """
    cells = []
    if (folder / trials.TABLE).is_file():
        table = pl.read_parquet(folder / trials.TABLE)
        cells.append(trials.by_trial(table, dict.fromkeys(table["task"].unique().to_list(), (0.0, 1.0))))
    if (folder / moments.TABLE).is_file():
        cells.append(pl.read_parquet(folder / moments.TABLE))
    if not cells:
        raise StudyError(
            f"{folder} is no finished study with RL² or PEARL (it has neither {trials.TABLE} nor "
            f"{moments.TABLE}); run `study --benchmark toy` first and name .../toy-schedules/hidden-catch "
            "for RL² or .../toy-pearl/hidden-long-catch for PEARL"
        )
    return pl.concat(cells)


def findings(finished: Finished) -> Findings:
    """Returns those cells, where a study was named."""
    if finished.control is None:
        return Findings()
    return Findings(cells={CONTROL: control_cells(finished.control)})


CONTROL_FAMILY = Measure(name="control", findings=findings)
