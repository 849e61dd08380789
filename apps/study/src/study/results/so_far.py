"""The page of a study that still runs: what is finished, without verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fvm_eval.report import render

from study.config import StudyConfig
from study.errors import StudyError, writing
from study.folder.config_file import from_json
from study.folder.plan_file import read_plan
from study.folder.store import Store
from study.plan import Job, Plan, make_plan
from study.resolve import check
from study.results.collect import collect, write_pages
from study.results.evidence import planned

FOLDER = "so-far"  # within the study's, beside the driver's own tables and report


class Glimpse(Store):
    """Reads a study's finished jobs; what is written goes elsewhere: the folder is its driver's."""

    def __init__(self, of: Store) -> None:
        super().__init__(of.root / FOLDER, of.patience_s)
        self.of = of

    def folder(self, job: Job) -> Path:
        """Returns where a finished job lies."""
        return self.of.folder(job)

    def _damaged(self, path: Path, why: Exception, folder: Path) -> StudyError:
        """Returns the error for a file that cannot be read in the study's own folder."""
        return self.of._damaged(path, why, folder)

    def recorded_splits(self) -> dict[str, str]:
        """Returns the hashes that were recorded before the study's jobs ran."""
        return self.of.recorded_splits()


def config_of(root: Path) -> StudyConfig:
    """Returns the config of the study that is planned in a folder.

    Raises:
        StudyError: There is no plan, or none with a config that can be read here.
    """
    found = read_plan(root)
    if not found.config:
        raise StudyError(f"the plan in {root} says nothing of its study, as one of tuning trials does not")
    try:
        config = from_json(found.config)
        check(config)
        return config
    except (StudyError, ValueError, TypeError, KeyError, AttributeError) as error:
        lacking = str(error).partition("; ")[0]  # what to choose instead helps nobody here
        what = f"nobody knows {lacking}" if isinstance(error, KeyError) else lacking
        raise StudyError(
            f"the study in {root} needs what is not here ({what}); name its plug-ins with --plugin, or run "
            "its own command again"
        ) from None


def finished_part(jobs: Sequence[Job], store: Store) -> tuple[Job, ...]:
    """Returns the finished jobs, without methods of which no adaptation is finished."""
    done = [job for job in jobs if store.done(job)]
    adapted = {job.method for job in done if job.kind == "adapt"}
    return tuple(job for job in done if job.kind in ("baseline", "pretrain") or job.method in adapted)


def write_so_far(root: Path, patience_s: float) -> tuple[Path, int, int]:
    """Writes the page of what is finished; returns its path, and how many jobs are finished of how many.

    Raises:
        StudyError: No adaptation is finished yet, or nothing in this study adapts.
    """
    config, store = config_of(root), Store(root, patience_s)
    plan = make_plan(config)
    part = finished_part(plan.jobs, store)
    adaptations = [job for job in plan.jobs if job.kind == "adapt"]
    if not any(job.kind == "adapt" for job in part):
        if not adaptations:
            raise StudyError(f"nothing learns in the study in {root}: its page comes when all have played")
        raise StudyError(
            f"no adaptation of the study in {root} is finished yet; `study status {root}` shows how far it is"
        )
    glimpse = Glimpse(store)
    with writing(glimpse.root):
        glimpse.root.mkdir(exist_ok=True)
    rerun = read_plan(root).command
    results = collect(config, Plan(jobs=part, folds=plan.folds), glimpse, rerun, complete=False)
    done = sum(store.done(job) for job in plan.jobs)
    note = f"So far: {done} of {len(plan.jobs)} jobs are finished. Nothing is decided before all are."
    if done == len(plan.jobs):
        note = f"All {done} jobs are finished; what they decide stands on the study's own page."
    study = replace(
        results.study, plan=planned(adaptations, config), complete=False, notes=[note, *results.study.notes]
    )
    return write_pages(glimpse, render(study)), done, len(plan.jobs)
