"""What a cell ships, from the folder in which it ran: episodes, FAR, costs, terms, figures, page, archive.

    uv run python docs/results/two-stage/gather.py FOLDER docs/results/two-stage/m2-s75

`terms.parquet` has of each adaptation what its hooks logged: KL to the pretrained policy, the length of each
term's gradient over that of the learner's own loss, the policy's entropy, means of four parts of the
adaptation. `recompute.py` finds the page's numbers again from these files, without fvm, and
`docs/recompute` those of the report.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import polars as pl
from study.folder.archive import export_study

TABLES = ("results.parquet", "far.parquet", "costs.parquet")
PAGE = tuple(
    f"report/{name}" for name in ("report.html", "report.json", "cells.csv", "far.png", "prices.png")
)
QUARTER = 24_576  # env steps
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
    quarters = logged.with_columns(quarter=(pl.col("env_step") - 1) // QUARTER)
    return quarters.group_by(key).agg(pl.col("value").mean()).sort(key)


def main(folder: Path, cell: Path) -> None:
    """Copies the files of a finished study into a cell's folder."""
    (cell / "report").mkdir(parents=True, exist_ok=True)
    for name in (*TABLES, *PAGE):
        shutil.copyfile(folder / name, cell / name)
    terms(folder).write_parquet(cell / "terms.parquet")
    (cell / "study.tar").unlink(missing_ok=True)
    print(f"{export_study(folder, cell / 'study.tar')} jobs in {cell / 'study.tar'}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
