"""`compare(table)`: from anyone's table to numbers, a notebook's tables and figures, and a report's files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from fvm_eval.analysis import Analysis, StudyResults, analyse
from fvm_eval.analysis.summaries import scale_of
from fvm_eval.claims import Claim, Comparison
from fvm_eval.curves import begin_at_0
from fvm_eval.fairness import Check
from fvm_eval.filing import file_all
from fvm_eval.naming import visible
from fvm_eval.reading import Reading, Request, ranges_for, read
from fvm_eval.reading.claims_file import read_claims
from fvm_eval.reading.published_ranges import Range
from fvm_eval.statistics.variance import overlapping, splits_are_redrawn
from fvm_eval.table import TableError, coded, spelt

if TYPE_CHECKING:
    from fvm_eval.report.captions import Picture

_NO_EPISODES = "without a column episode nothing says which episodes were planned"
_ALONE = "; where each task had a training of its own, name it in a column checkpoint, as in ppo/0/pong"
_APART = 10  # times, between the largest scores of two tasks: no mean of raw scores weighs them alike
_SMALLEST = 1e-9  # below it pages write differences as 0


@dataclass(frozen=True)
class Findings:
    """What a table of scores says.

    Attributes:
        study: The report's input.
        reading: How the table was read.
    """

    study: StudyResults
    reading: Reading

    @cached_property
    def analysis(self) -> Analysis:
        """All numbers."""
        return analyse(self.study)

    @cached_property
    def files(self) -> Mapping[str, bytes]:
        """The report's files by name: the page, figures, tables."""
        from fvm_eval.report.page import files_of

        return files_of(self.analysis)

    def report(self, folder: str | Path) -> Path:
        """Writes the report's files into a folder and returns the page's path."""
        file_all(Path(folder), self.files)
        return Path(folder) / "report.html"

    def text(self) -> str:
        """Returns means, differences, tests and secondary aggregates as aligned plain text."""
        from fvm_eval.report.plain_text import summary

        return summary(self.analysis, self.reading)

    def figure(self, name: str = "adaptation") -> Any:
        """Returns one figure as an image that a notebook shows; `figures` has the names.

        Raises:
            KeyError: There is no such figure.
        """
        from fvm_eval.report.drawing import Image, files

        found = {picture.name: picture for picture in self._pictures}
        if name not in found:
            raise KeyError(f"no figure {name!r}; there are {', '.join(found)}")
        picture = found[name]
        return Image(files(name, lambda narrow: picture.draw(self.analysis, narrow))[f"{name}.svg"].decode())

    @property
    def figures(self) -> list[str]:
        """Names of the figures."""
        return [picture.name for picture in self._pictures]

    @cached_property
    def _pictures(self) -> list[Picture]:
        from fvm_eval.analysis.secondary import secondary_of
        from fvm_eval.report.captions import pictures

        return pictures(self.analysis, secondary_of(self.analysis))

    def __repr__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        from fvm_eval.report.page import notebook

        return notebook(self.analysis)


def compare(
    table: Any,
    *,
    columns: Mapping[str, str] | None = None,
    constants: Mapping[str, str] | None = None,
    at: int | None = None,
    bin: int | None = None,
    normalise: str | Mapping[str, Range] | None = None,
    score_range: tuple[float, float] | None = None,
    margin: float | None = None,
    claims: str | Path | Sequence[Claim | Comparison] = (),
    splits: Literal["planned", "redrawn"] | None = None,
    encoding: str | None = None,
    decimal: Any = None,
    title: str = "",
    rerun: str = "",
) -> Findings:
    """Returns what a table of scores says: `compare(frame).report("out")` writes the report.

    Args:
        table: A path, several paths, a folder of runs, or a frame of pandas, polars or pyarrow.
        columns: Names of columns that differ from ours, as in {"score": "episode_reward"}.
        constants: Columns that have one value in all rows.
        at: Env step at which runs are compared; the last one if not given.
        bin: Width of bins of env steps.
        normalise: "atari", "procgen", a file of task, low, high, or (low, high) by task.
        score_range: Lowest and highest possible score; others are refused.
        margin: Smallest difference that matters, in the unit of the shown scores.
        claims: A TOML file of claims, or the claims.
        splits: Whether folds were planned, as leave-one-out, or each drew its tasks anew from one pool; told
            from the tasks that they share if not given.
        encoding: Of a text file; found out if not given.
        decimal: Decimal mark of a text file; found out if not given.
        title: Of the report.
        rerun: The command that makes it again.

    Raises:
        TableError: With a sentence that says what came, what was expected and what to do.
        FileNotFoundError: There is no such file.
    """
    request = Request(
        columns=columns or {},
        constants=constants or {},
        at=at,
        bin=bin,
        score_range=score_range,
        encoding=encoding,
        decimal=decimal,
    )
    reading = read(table, request)
    return of_reading(reading, normalise, score_range, margin, claims, title, rerun, splits)


def of_reading(
    reading: Reading,
    normalise: str | Mapping[str, Range] | None = None,
    score_range: tuple[float, float] | None = None,
    margin: float | None = None,
    claims: str | Path | Sequence[Claim | Comparison] = (),
    title: str = "",
    rerun: str = "",
    splits: Literal["planned", "redrawn"] | None = None,
) -> Findings:
    """Returns what a table says that has been read already; arguments as those of `compare`."""
    if splits not in (None, "planned", "redrawn"):
        raise TableError(f"splits={splits!r}: expected planned or redrawn")
    tasks = sorted(reading.episodes["task"].unique().to_list())
    ranges: dict[str, Range] | None = None
    bounds: dict[str, Range] | None = None
    label = "Normalised score (0 to 1)"
    if isinstance(normalise, str):
        ranges, label = ranges_for(tasks, normalise)
    elif normalise is not None:
        ranges = dict(normalise)
    given = "by the column checkpoint" in reading.clusters
    said = list(reading.said)
    successes = score_range is None and ranges is None and _are_successes(reading.episodes["score"])
    if successes:
        score_range = (0.0, 1.0)
        said.append(
            "every score is 0 or 1: taken for successes, whose mean is a rate (else give their range)"
        )
    if score_range is not None:
        bounds = dict.fromkeys(tasks, score_range)
        ranges = ranges or bounds
    elif ranges is not None:
        bounds = {}
    if ranges is None:
        _refuse_rounding(reading.episodes["score"])
    has_curve = reading.episodes["env_step"].n_unique() > 1
    from_0 = has_curve and begin_at_0(reading.episodes)
    if has_curve and not from_0 and 0 in reading.episodes["env_step"]:
        said.append("some runs have no score at env step 0: no area under the curve")
    adaptation = given and from_0
    players = reading.players.select("task", "score", baseline="method") if len(reading.players) else None
    said.append(
        f"intervals are over checkpoints, {reading.clusters}{_ALONE * (not given and len(tasks) > 1)}"
    )
    said += _scales(reading.episodes) if ranges is None else []
    said += _folds(reading.episodes) if splits is None else []
    step = f" at env step {int(reading.episodes['env_step'].to_numpy().max()):,}" if reading.has_steps else ""
    study = StudyResults(
        title=title or f"Scores of {visible(reading.name)}",
        estimand=f"Expected score{step} on {_of(len(tasks))}.",
        episodes=reading.episodes,
        score_name="Success rate" if successes else "Score",
        normalised_name=label,
        score_ranges=ranges,
        score_bounds=bounds,
        checks=() if reading.numbered else (Check(7, "cannot be checked", _NO_EPISODES),),
        baselines=players,
        adaptation=adaptation,
        redrawn_splits=None if splits is None else splits == "redrawn",
        notes=[visible(f"{text[:1].upper()}{text[1:]}.") for text in said],
        rerun=rerun,
    )
    span = scale_of(study).span
    if margin is not None:
        if not (isfinite(margin) and margin > 0):
            raise TableError(f"margin={margin:g}: give the smallest difference that matters, above 0")
        study = replace(study, margin=margin / span)
    if isinstance(claims, (str, Path)):
        found = read_claims(Path(claims), study, margin, span)
        study = replace(study, claims=found.claims, comparisons=found.comparisons)
    elif claims:
        study = replace(
            study,
            claims=[claim for claim in claims if isinstance(claim, Claim)],
            comparisons=[claim for claim in claims if isinstance(claim, Comparison)],
        )
    return Findings(study, reading)


def _are_successes(scores: pl.Series) -> bool:
    """Returns whether both 0 and 1 occur, and nothing else."""
    return scores.min() == 0 and scores.max() == 1 and bool(scores.is_in([0.0, 1.0]).all())


def _refuse_rounding(scores: pl.Series) -> None:
    """Refuses scores so small that a page would write their differences as 0."""
    largest = float(np.abs(scores.to_numpy()).max(initial=0.0))
    if 0 < largest < _SMALLEST:
        raise TableError(
            f"no score is larger than {largest:.2g}, which is rounding here; multiply all by a power of ten"
        )


def _scales(episodes: pl.DataFrame) -> list[str]:
    """Returns a warning where the mean over tasks is that of the tasks with large scores alone."""
    from fvm_eval.report.text import number  # a page's module, which would bring matplotlib along

    by_task = coded(episodes.select("task", "score")).group_by("task")
    sizes = spelt(by_task.agg(pl.col("score").abs().max().alias("size"))).sort("size", "task")
    sizes = sizes.filter(pl.col("size") > 0)
    if len(sizes) < 2:
        return []
    (small, low), (large, high) = sizes.row(0), sizes.row(-1)
    if high < _APART * low:
        return []
    return [
        f"raw scores reach {number(high)} on {large} and {number(low)} on {small}: their mean over tasks is "
        "decided by the tasks with large scores; put them on one scale by --normalise (atari, procgen, or a "
        "file of each task's range)"
    ]


def _folds(episodes: pl.DataFrame) -> list[str]:
    """Returns what is assumed of folds that share no task; nothing where there is nothing to assume."""
    by_fold = episodes.group_by("fold").agg(pl.col("task").unique())
    rows = {(fold, ""): dict.fromkeys(tasks, 0.0) for fold, tasks in by_fold.iter_rows()}
    if splits_are_redrawn(rows) or len(overlapping(rows)) < 2:
        return []
    return [
        "folds share no task: taken as planned, such as leave-one-out; if each drew its tasks anew from one "
        "pool, say --splits redrawn"
    ]


def _of(tasks: int) -> str:
    """Returns what the scores of a table are expected on."""
    return (
        "the task of the table" if tasks == 1 else f"the {tasks:,} tasks of the table, each of equal weight"
    )
