"""What finished runs of the study came to: a row a frozen agent, and the table of the page.

    uv run python docs/results/procgen-far/gather.py FOLDER    # writes agents.csv beside this file
    uv run python docs/results/procgen-far/gather.py           # prints the table from agents.csv alone

`agents.csv` has of each snapshot its mean return on the new level and on 32 training levels (FAR), of at most
10. Teachers and random play on FAR stand at env step 0 with no level. Runs that have not finished
are left out.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import polars as pl
from scipy import stats

HERE = Path(__file__).parent
BUDGET, WINDOW = 16_384, 4_096  # env steps of an adaptation, and of its first quarter
PLAIN = "multitask"


def rows_of(folder: Path) -> pl.DataFrame:
    """Returns method, seed, level, env_step, new, far of the snapshots of a folder's finished runs."""
    from study.folder.plan_file import read_plan
    from study.folder.store import Store

    store, found = Store(folder), []
    done = store.finished()
    for job in read_plan(folder).jobs:
        if job.key[:16] not in done:
            continue
        if job.kind == "adapt":
            run = {"method": job.method, "seed": job.seed, "level": job.spec["task"].rpartition("/")[2]}
            new, far = (store.table([job], name) for name in ("episodes", "far"))
            means = [
                table.group_by("env_step").agg(pl.col("score").mean().alias(name))
                for table, name in ((new, "new"), (far, "far"))
            ]
            both = means[0].join(means[1], on="env_step").sort("env_step")
            found += [{**run, **row} for row in both.iter_rows(named=True)]
        elif job.spec.get("measure") == "far-teacher":
            asked = store.table([job], "rows").group_by("policy").agg(pl.col("score").mean())
            for policy, score in asked.sort("policy").iter_rows():
                known = {"method": policy, "seed": job.seed, "level": None, "env_step": 0, "new": None}
                found.append({**known, "far": score})
    return pl.DataFrame(found, infer_schema_length=None)


def limits(values: list[float]) -> str:
    """Returns the mean, with 95 % t limits of three or more pretrainings."""
    mean = float(np.mean(values))
    if len(values) < 3:
        return f"{mean:.2f}"
    half = float(stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / len(values) ** 0.5)
    return f"{mean:.2f} [{mean - half:.2f}, {mean + half:.2f}]"


def numbers(rows: pl.DataFrame) -> dict[str, dict[str, dict[int, float]]]:
    """Returns of each method what it came to, by seed: the mean over levels."""
    teacher = dict(rows.filter(method="teacher").select("seed", "far").iter_rows())
    found: dict[str, dict[str, dict[int, float]]] = {}
    runs = rows.filter(pl.col("level").is_not_null())
    for (method, seed), mine in runs.group_by("method", "seed", maintain_order=True):
        means = mine.group_by("env_step").agg(pl.col("new", "far").mean()).sort("env_step")
        far = dict(means.select("env_step", "far").iter_rows())
        told = {
            "area": float(np.trapezoid(means["new"], means["env_step"])) / BUDGET,
            "at the budget": means["new"][-1],
            "FAR at 0": far[0],
            "lost in the first quarter": teacher[seed] - far[WINDOW],
            "lost at the budget": teacher[seed] - far[BUDGET],
        }
        for name, value in told.items():
            found.setdefault(method, {}).setdefault(name, {})[seed] = value
    return found


def main(folder: Path | None) -> None:
    """Writes the rows, if a folder is given, and prints the table."""
    if folder is not None:
        rows_of(folder).write_csv(HERE / "agents.csv", float_precision=4)
    rows = pl.read_csv(HERE / "agents.csv")
    for policy in ("teacher", "random"):
        print(f"{policy} on FAR: {limits(rows.filter(method=policy)['far'].to_list())}")
    found = numbers(rows)
    for method, told in found.items():
        for name, values in told.items():
            less = {seed: value - found[PLAIN][name][seed] for seed, value in values.items()}
            each = ", ".join(f"{value:.2f}" for value in values.values())
            mine, other = limits(list(values.values())), limits(list(less.values()))
            print(f"{method:32} {name:26} {mine:22} of {each}; - plain {other}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
