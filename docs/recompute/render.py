"""Writes the page of a shipped study anew, from the files beside it, with today's code.

    uv run python docs/recompute/render.py docs/results/procgen-small

Scores, trials and costs come from the parquet files. What was printed on the first page and whose data do not
ship (preconditions, the leak audit, the splits' hashes, configuration and environment) comes from
`first-page.json`, and the new page says so. Return while adapting and while pretraining is not drawn: its
episodes do not ship.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
from fvm_envs import Task
from fvm_eval import Budget
from fvm_eval.analysis import StudyResults
from fvm_eval.analysis.study_results import LOG_SECONDS
from fvm_eval.claims import Precondition
from fvm_eval.curves import normalise
from fvm_eval.fairness import LeakAudit
from fvm_eval.report import render
from study.claims import claims_of
from study.claims.arms import BY_MOMENT, BY_TASK, CONTROL, TRIALS
from study.config import StudyConfig
from study.measures.control import RANGE
from study.measures.moments import by_moment
from study.measures.tasks import by_task
from study.measures.trials import by_trial
from study.plan import make_plan
from study.registry import registered
from study.results.collect import cell_bounds_of, estimand_of, labels_of, title_of
from study.results.costs import cost_summary
from study.results.score_bounds import score_bounds_of

CARRIED = (
    "Written anew from the files that ship with this study, by docs/recompute/render.py. Their data do not "
    "ship, so the first page's own words are repeated: the preconditions, the leak audit, configuration and "
    "environment. Return while adapting and while pretraining, and what needs ledgers, is left out. "
    "Claims and margins are those of before the run; which intervals decide was settled after it, for all "
    "studies alike."
)
WITHDRAWN = {
    "toy": "Withdrawn: the arms differ in their learning rates, which came from four trials of one seed "
    "each. No ranking and no verdict below shows anything of step-size schedules; see README.md, one "
    "folder up.",
    "toy-pearl": "Withdrawn as a confirmation: the length of pretraining was chosen by a first run on the "
    "same held-out orders. What stands below is exploratory; see README.md, one folder up.",
}

SINCE = {
    "procgen-small": "The command below is that of the first page. The preset small has since become another "
    "study, with 20 held-out levels and every arm tuned: run today it does not make this page.",
}


def config_of(page: dict[str, Any], methods: list[str], seeds: int) -> StudyConfig:
    """Returns the study's config, as far as claims, labels and plan need it, from today's presets."""
    asked = page["config"]
    preset = registered().benchmarks[asked["benchmark"]].presets[asked["preset"]]
    benchmark = registered().benchmarks[asked["benchmark"]]
    game = asked["family"].partition("/")[2]
    if asked["family"] != preset.family:
        preset = replace(preset, **benchmark.chosen(preset, benchmark.options(game=game)))
    return replace(preset, methods=tuple(methods), seeds=seeds)


def seconds_cells(costs: pl.DataFrame) -> pl.DataFrame:
    """Returns cells of the logarithm of what each pretraining took of its device."""
    mine = costs.filter(kind="pretrain")
    return mine.select(
        "method",
        fold=pl.lit(0, pl.Int64),
        seed="seed",
        checkpoint=pl.format("{}/{}", "method", "seed"),
        task=pl.lit("pretraining"),
        value=pl.col("device_s").clip(1e-3).log(),
    )


def study_of(folder: Path) -> StudyResults:
    """Returns what the folder's files say, as the report's input."""
    page = json.loads((folder / "first-page.json").read_text(encoding="utf-8"))
    everything = pl.read_parquet(folder / "results.parquet")
    costs = pl.read_parquet(folder / "costs.parquet")
    played = costs.filter(kind="baseline")["method"].unique().to_list()
    curves = everything.filter(~pl.col("method").is_in(played))
    asked = page["config"]["methods"]
    config = config_of(page, asked, curves["seed"].n_unique())
    benchmark = registered().benchmarks[config.benchmark]
    tasks = sorted(curves["task"].unique())
    ranges = {task: benchmark.suite.score_range(Task.parse(task)) for task in tasks}
    best = benchmark.suite.best_return
    episodes = normalise(curves, ranges)
    budget = config.adapt.env_steps
    cells = {BY_TASK: by_task(episodes, budget), BY_MOMENT: by_moment(episodes, budget)}
    cells[LOG_SECONDS] = seconds_cells(costs)
    trials = None
    if (folder / "trials.parquet").is_file():
        trials = pl.read_parquet(folder / "trials.parquet")
        cells[TRIALS] = by_trial(trials, ranges)
    if "--control" in page["rerun"]:
        control = folder.parent / "toy" / page["rerun"].rpartition("/")[2]
        table = pl.read_parquet(control / "trials.parquet")
        cells[CONTROL] = by_trial(table, dict.fromkeys(table["task"].unique(), RANGE))
    plan, pretrained = make_plan(config), [job for job in make_plan(config).jobs if job.kind == "adapt"]
    same = [fold.sha256 in page["splits"] for fold in plan.folds.values()]
    audit = page["leak_audit"]
    names = (folder.name, folder.parent.name)
    withdrawn, since = ([told[name] for name in names if name in told] for told in (WITHDRAWN, SINCE))
    return StudyResults(
        title=title_of(config, asked),
        estimand=estimand_of(config, len(tasks)),
        episodes=curves,
        score_ranges=ranges,
        normalised_name=benchmark.normalised_name,
        score_bounds=score_bounds_of(config, tasks),
        budget=Budget(env_steps=budget),
        claims=claims_of(config),
        cells={name: table for name, table in cells.items() if len(table)},
        cell_bounds=cell_bounds_of(config, ranges) | ({CONTROL: RANGE} if CONTROL in cells else {}),
        trials=trials,
        trained_trials={
            job.method: job.spec["config"]["trials"]
            for job in pretrained
            if trials is not None and "reward_scale" in job.spec and job.spec["config"]["trials"] > 1
        },
        train_sizes={job.method: len(job.parent.spec["tasks"]) for job in pretrained if job.parent},
        families={method: method for method in asked},
        references=("scratch", "multitask"),
        eps_schedules={
            job.method: tuple(job.parent.spec["config"]["eps_schedule"])
            for job in pretrained
            if job.parent and "eps_schedule" in job.parent.spec.get("config", {})
        },
        best_scores={task: best(Task.parse(task)) for task in tasks} if best else None,
        preconditions=[Precondition(**condition) for condition in page["preconditions"]],
        costs=cost_summary(costs, asked),
        baselines=everything.filter(pl.col("method").is_in(played)).rename({"method": "baseline"}),
        folds=plan.folds if all(same) else {},
        recorded_splits=page["splits"],
        leak_audit=LeakAudit(audit["audited"], audit["against"], tuple(audit["leaked"]), audit["how"]),
        config=page["config"],
        environment=page["environment"],
        rerun=page["rerun"],
        notes=[*withdrawn, *page["notes"], CARRIED, *since],
        labels=labels_of(asked, sorted(played), config),
    )


def main(folders: list[str]) -> None:
    """Writes the page, its tables and the figures that the folder has already."""
    for name in folders:
        folder = Path(name)
        files = render(study_of(folder))
        for file, content in files.items():
            if file in ("report.html", "report.json") or (folder / file).is_file():
                (folder / file).write_bytes(content)
        print(f"{folder}: {', '.join(sorted(files))}")


if __name__ == "__main__":
    main(sys.argv[1:])
