"""A measure's record: what frozen agents are asked, and what the report says of their answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import polars as pl
    from fvm_eval.analysis.panel import Panel
    from fvm_eval.claims import Precondition

    from study.config import StudyConfig
    from study.folder.store import Store
    from study.jobs.evaluation import Context
    from study.plan import Job, Plan

Ranges = Mapping[str, tuple[float, float]]
Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A study whose jobs have all run, as measures read it.

    Attributes:
        config: What was asked.
        plan: Its jobs.
        store: Their results.
        episodes: Episode table of the adaptation curves, scores normalised.
        ranges: Returns that count as 0 and as 1, by held-out task; leaked tasks are in neither.
        control: Folder of the finished study in which a method is known to gain, if there is one.
    """

    config: StudyConfig
    plan: Plan
    store: Store
    episodes: pl.DataFrame
    ranges: Ranges
    control: Path | None = None

    @property
    def pretrainings(self) -> list[Job]:
        """The plan's pretrainings."""
        return [job for job in self.plan.jobs if job.kind == "pretrain"]

    @property
    def adaptations(self) -> list[Job]:
        """The plan's adaptations."""
        return [job for job in self.plan.jobs if job.kind == "adapt"]

    def rows(self, measure: Measure) -> pl.DataFrame:
        """Returns the rows of all agents that were asked, with their method, fold, seed, checkpoint.

        Rows of a measure at snapshots have the column env_step; a table without columns means nobody was
        asked.
        """
        if measure.at == "snapshots":
            asked = [job for job in self.plan.jobs if measure.name in job.spec.get("measures", {})]
            return self.store.table(asked, measure.name)
        return self.store.table(
            [job for job in self.plan.jobs if job.spec.get("measure") == measure.name], "rows"
        )


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What a measure adds to a study's report.

    Attributes:
        cells: By summary, the table that claims are decided on: method (the arm), fold, seed, checkpoint,
            task, value.
        cell_bounds: Lowest and highest possible value of summaries whose range is not the study's own.
        preconditions: What must hold before a claim means something.
        notes: Sentences for the top of the report.
        panels: Figures of its own, in their order.
        shown: Fields of `fvm_eval.results.StudyResults` that the report shows.
        tables: Files of the study's folder, by name.
    """

    cells: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    cell_bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    preconditions: Sequence[Precondition] = ()
    notes: Sequence[str] = ()
    panels: Sequence[Panel] = ()
    shown: Mapping[str, Any] = field(default_factory=dict)
    tables: Mapping[str, pl.DataFrame] = field(default_factory=dict)


def everywhere(config: StudyConfig, job: Job) -> Mapping[str, Any]:
    """Returns what a measure of one's own needs where a study asks nothing else of it."""
    evaluation = config.evaluation
    return {name: getattr(evaluation, name) for name in ("episodes", "max_steps", "num_envs")}


@dataclass(frozen=True, kw_only=True)
class Measure:
    """Something that frozen agents are asked besides their score on held-out tasks.

    At the end of a training it is a job of its own, so that adding one retrains nothing. At snapshots it is
    a part of the adaptation, which then is another job.

    Attributes:
        name: Of the record, of its jobs and, at snapshots, of its table.
        version: Raised when `play` gives other rows; without one the source of `play` is the version.
        at: When agents are asked.
        of: Whose agents: a pretraining's, or an adaptation's. At snapshots always an adaptation's.
        wanted: What a study asks of a job's agent, as JSON, with `max_steps` and `num_envs`; None for
            nothing.
        play: Asks one agent; returns rows of plain values. Without it, nothing is played: `findings` reads
            what jobs leave anyway.
        cells: Of all agents' rows and the score ranges, the tables for claims by summary.
        findings: More than cells, from all that a study has left.
    """

    name: str
    version: int | None = None
    at: Literal["end", "snapshots"] = "end"
    of: Literal["pretrain", "adapt"] = "adapt"
    wanted: Callable[[StudyConfig, Job], Mapping[str, Any] | None] = everywhere
    play: Callable[[Any, Context], Rows] | None = None
    cells: Callable[[pl.DataFrame, Ranges], Mapping[str, pl.DataFrame]] | None = None
    findings: Callable[[Finished], Findings] | None = None

    def found(self, finished: Finished) -> Findings:
        """Returns what the measure adds to the report of a finished study."""
        if self.findings is not None:
            return self.findings(finished)
        rows = finished.rows(self)
        if self.cells is None or rows.is_empty():
            return Findings()
        cells: Any = self.cells(rows, finished.ranges)
        if not isinstance(cells, Mapping) or not all(hasattr(table, "columns") for table in cells.values()):
            raise TypeError(
                f"the cells of the measure {self.name} are {cells!r}; let it give tables by their names"
            )
        return Findings(cells=cells)
