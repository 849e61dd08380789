"""What a page ships, from the folder of its study: episodes, costs, report, archive; what hooks logged.

    uv run python docs/results/gather.py FOLDER docs/results/two-stage/m2-s75 [CONTROL]

CONTROL is the folder of the study's `--control`, whose trials become `control.parquet`.
`docs/recompute/recompute.py` finds the report's numbers again from these files, without fvm. Where a study
asked for FAR, `terms.parquet` has of each adaptation what its hooks logged: KL to the pretrained policy, the
length of each term's gradient over that of the learner's own loss, the policy's entropy, means of four parts
of the adaptation; `docs/recompute/retention.py` finds the page's numbers again.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import polars as pl
from study.folder.archive import export_study

FAR = "far.parquet"
FILES = (
    *("results.parquet", FAR, "costs.parquet", "moments.parquet", "trials.parquet"),
    *(f"report/{name}" for name in ("report.html", "report.json", "cells.csv", "far.png", "prices.png")),
)
LOGGED = r"^(drift/kl|\w+/grad_ratio|entropy)$"


def terms(folder: Path) -> pl.DataFrame:
    """Returns method, seed, task, metric, quarter (of the adaptation, from 0), value."""
    costs = pl.read_parquet(folder / "costs.parquet").filter(kind="adapt")
    told = []
    for key, method, seed in costs.select("key", "method", "seed").iter_rows():
        job = folder / "jobs" / key[:16]
        if (job / "metrics.parquet").is_file():
            task = pl.read_parquet(job / "episodes.parquet")["task"][0]
            run = {"method": pl.lit(method), "seed": pl.lit(seed), "task": pl.lit(task)}
            told.append(pl.read_parquet(job / "metrics.parquet").with_columns(**run))
    logged = pl.concat(told).filter(pl.col("metric").str.contains(LOGGED))
    key = ["method", "seed", "task", "metric", "quarter"]
    budget = pl.read_parquet(folder / "results.parquet")["env_step"].max()
    quarters = logged.with_columns(quarter=(pl.col("env_step") - 1) * 4 // budget)
    return quarters.group_by(key).agg(pl.col("value").mean()).sort(key)


def main(folder: Path, page: Path, control: Path | None = None) -> None:
    """Copies the files of a finished study, and the trials of its control, into a page's folder."""
    (page / "report").mkdir(parents=True, exist_ok=True)
    for name in FILES:
        if (folder / name).is_file():
            shutil.copyfile(folder / name, page / name)
    if control is not None:
        shutil.copyfile(control / "trials.parquet", page / "control.parquet")
    if (folder / FAR).is_file():
        terms(folder).write_parquet(page / "terms.parquet")
    (page / "study.tar").unlink(missing_ok=True)
    print(f"{export_study(folder, page / 'study.tar')} jobs in {page / 'study.tar'}")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
