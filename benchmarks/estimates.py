"""What the dry run expects of each kind and method against what the jobs of a finished study took.

    OMP_NUM_THREADS=1 python benchmarks/estimates.py procgen small docs/results/procgen-small/costs.parquet

Training in seconds of processor time, on both sides, so that other programs matter less; playing in seconds
of the clock where it was recorded, since a study records no others. Where the preset's budget has changed
since, what was recorded is taken for as many env steps as it has today.
"""

from __future__ import annotations

import sys
import time
from types import SimpleNamespace

import polars as pl
from study.estimates import measuring, playing
from study.estimates.expected import expected
from study.estimates.measuring import Measured, players, trainings
from study.plan import Job, make_plan
from study.registry import registered


def measured(jobs: list[Job]) -> dict[measuring.Work, Measured]:
    """Returns what work like these jobs' takes of this process."""
    groups = {**trainings(jobs), **players(jobs)}
    each_s = measuring.MEASURE_S / len(groups)
    return {work: measuring._measure(mine[-1], "cpu", each_s) for work, mine in groups.items()}


def main(benchmark: str, preset: str, costs: str) -> None:
    """Prints a row a kind and method, and all together."""
    recorded = pl.read_parquet(costs)
    config = registered().benchmarks[benchmark].presets[preset]
    jobs = list(make_plan(config).jobs)
    for module in (measuring, playing):
        module.time = SimpleNamespace(  # type: ignore[assignment]
            perf_counter=time.process_time, process_time=time.process_time
        )
    takes = expected(jobs, measured(jobs))
    rows = [
        {
            "kind": job.kind,
            "method": job.method,
            "steps": job.budget_env_steps,
            "train": takes[job.key].train_s,
            "play": takes[job.key].play_s,
            "most": takes[job.key].most_play_s,
        }
        for job in jobs
    ]
    said = pl.DataFrame(rows).group_by("kind", "method").agg(pl.mean("train", "play", "most", "steps"))
    took = recorded.group_by("kind", "method").agg(
        took=pl.mean("device_s"),
        took_play=pl.mean("evaluation_s"),
        of=pl.mean("env_steps"),
        recorded=pl.len(),
    )
    table = said.join(took, on=["kind", "method"]).sort("kind", "method")
    table = table.with_columns(
        took=pl.when(pl.col("of") > 0).then(pl.col("took") * pl.col("steps") / pl.col("of"))
    )
    table = table.drop("of", "steps").with_columns(pl.col("took").fill_null(0.0))
    table = table.with_columns(
        ratio=pl.col("train") / pl.col("took"),
        play_ratio=pl.col("play") / pl.col("took_play"),
        most_ratio=pl.col("most") / pl.col("took_play"),
    )
    with pl.Config(tbl_rows=-1, tbl_cols=-1, float_precision=2):
        print(table)
    weighted = table.select(
        train=(pl.col("train") * pl.col("recorded")).sum() / (pl.col("took") * pl.col("recorded")).sum(),
        play=(pl.col("play") * pl.col("recorded")).sum() / (pl.col("took_play") * pl.col("recorded")).sum(),
    )
    print("said over took, all jobs:", weighted.row(0, named=True))


if __name__ == "__main__":
    main(*sys.argv[1:])
