"""A shipped study's cells, by summary and arm, from its parquet files: polars and numpy, nothing of fvm."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

RUN = ["method", "fold", "seed", "checkpoint", "task"]
VALUE, AREA, ZERO_SHOT = "Value at budget", "Area under the curve", "Zero-shot (jump-start)"
Cells = dict[str, dict[str, pl.DataFrame]]


def lacking(folder: Path, *names: str) -> str:
    """Returns what to say of a folder without one of these files; empty where all are there."""
    missing = [name for name in names if not (folder / name).is_file()]
    return f"{folder} has no {missing[0]}; give the folder of a page that ships its runs" if missing else ""


def cells_of(folder: Path, report: Mapping[str, Any], beside: Path) -> Cells:
    """Returns every summary's cells by arm: from the parquet files, else from the report's cells.csv.

    Args:
        folder: Of the study.
        report: Its report.json, for what counts as 0 and 1, and the budget.
        beside: The folder of report.json.
    """
    found: dict[str, pl.DataFrame] = {}
    if (beside / "cells.csv").is_file():
        table = pl.read_csv(beside / "cells.csv", schema_overrides={"checkpoint": pl.String})
        found |= {str(name): mine.drop("summary") for (name,), mine in table.group_by("summary")}
    found |= of_curves(curves_of(folder, report), report["budget"])
    if (folder / "trials.parquet").is_file():
        found["Return by trial"] = of_trials(scaled(pl.read_parquet(folder / "trials.parquet"), report))
    if (folder / "moments.parquet").is_file():
        found["Value before and after adaptation"] = pl.read_parquet(folder / "moments.parquet")
    found["Log device seconds"] = of_costs(pl.read_parquet(folder / "costs.parquet"))
    if "--control" in report["rerun"]:  # of a family on which the method gains; its returns lie in [0, 1]
        control = folder / "control.parquet"
        if not control.is_file():
            control = folder.parent / "toy" / report["rerun"].rpartition("/")[2] / "trials.parquet"
        found["Return by trial on the control family"] = of_trials(
            pl.read_parquet(control).with_columns(value=pl.col("score"))
        )
    found = {name: marked(table, report) for name, table in found.items()}
    return {
        name: {str(arm): mine for (arm,), mine in table.sort(RUN).group_by("method", maintain_order=True)}
        for name, table in found.items()
    }


def marked(table: pl.DataFrame, report: Mapping[str, Any]) -> pl.DataFrame:
    """Returns the table, with the column `redrawn` where the report says that each split was drawn anew."""
    return table.with_columns(redrawn=pl.lit(value=True)) if report.get("redrawn_splits") else table


def scaled(table: pl.DataFrame, report: Mapping[str, Any]) -> pl.DataFrame:
    """Returns the table with the score as a share of its task's range, as `value`."""
    if not report["score_ranges"]:
        return table.with_columns(value=pl.col("score"))
    low, high = (
        pl.col("task").replace_strict({t: ends[i] for t, ends in report["score_ranges"].items()})
        for i in (0, 1)
    )
    return table.with_columns(value=(pl.col("score") - low) / (high - low))


def curves_of(folder: Path, report: Mapping[str, Any]) -> pl.DataFrame:
    """Returns each run's mean score at each env step; won_of is its episodes where all are won or lost."""
    table = pl.read_parquet(folder / "results.parquet")
    played = pl.read_parquet(folder / "costs.parquet").filter(kind="baseline")["method"].unique()
    table = scaled(table.filter(~pl.col("method").is_in(played.implode())), report)
    runs = table.group_by(*RUN, "env_step").agg(pl.col("value").mean(), won_of=pl.len().cast(pl.Int64))
    bounds = report["score_bounds"].get(VALUE)
    all_or_nothing = bounds is not None and table["value"].is_in(bounds).all()
    return marked((runs if all_or_nothing else runs.drop("won_of")).sort(*RUN, "env_step"), report)


def of_curves(runs: pl.DataFrame, budget: int) -> dict[str, pl.DataFrame]:
    """Returns the curves' three summaries, and the first of them task by task."""
    final = runs.filter(pl.col("env_step") == budget).drop("env_step")
    areas = [
        (*key, float(np.trapezoid(run["value"], run["env_step"])) / budget)
        for key, run in runs.group_by(RUN, maintain_order=True)
    ]
    schema = {name: runs.schema[name] for name in (*RUN, "value")}
    return {
        VALUE: final,
        AREA: pl.DataFrame(areas, schema=schema, orient="row"),
        ZERO_SHOT: runs.filter(env_step=0).drop("env_step"),
        "Value at budget by demos": final.select(*RUN, "value"),
        "Value at budget by task": final.select(*RUN, "value").with_columns(
            method=pl.format("{} on {}", "method", "task")
        ),
    }


def of_trials(table: pl.DataFrame) -> pl.DataFrame:
    """Returns a method's mean return in each trial of its lifetimes, an arm a trial."""
    mean = table.group_by(*RUN, "trial").agg(pl.col("value").mean())
    return mean.with_columns(method=pl.format("{} trial {}", "method", "trial")).drop("trial")


def of_costs(costs: pl.DataFrame) -> pl.DataFrame:
    """Returns the logarithm of what each pretraining took of its device."""
    mine = costs.filter(kind="pretrain").with_columns(fold=pl.lit(0), task=pl.lit("pretraining"))
    return mine.with_columns(
        checkpoint=pl.format("{}/{}", "method", "seed"), value=pl.col("device_s").clip(1e-3).log()
    ).select(*RUN, "value")
