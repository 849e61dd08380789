"""What the map ships, from the folder in which it ran: runs, training returns, tuning, verdicts.

    uv run python docs/results/toy-map/gather.py FOLDER

FOLDER holds a study for each family and `tuning/`, a tuning for each. Only seeds of which all arms have
finished count. `recompute.py` finds the verdicts again without fvm, `figure.py` draws the map, `audit.py`
audits how the arms were tuned.
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import polars as pl
from fvm_eval.claims.looks import nominal_levels
from study.claims.toy_map import arm, chosen, map_claims, marks_of, value_after
from study.claims.toy_map_cells import (
    as_json,
    beside,
    best_of,
    cells_of,
    decided,
    preconditions_of,
    returns_of,
    runs_of,
    whole_seeds,
)
from study.config import StudyConfig
from study.folder.store import Store
from study.plan import Plan, make_plan
from study.presets.toy_map import FAMILIES, MAP
from study.results.costs import cost_table
from study.tuning.tuned import TABLES, TUNED, with_tuned

HERE = Path(__file__).parent


def studies(folder: Path) -> dict[str, StudyConfig]:
    """Returns the studies of which the tuning is finished, by family."""
    found = {}
    for family in FAMILIES:
        if (folder / "tuning" / family / TUNED).is_file():
            found[family] = with_tuned(replace(MAP, family=f"toy/{family}"), folder / "tuning" / family)
    return found


def tables(folder: Path, configs: dict[str, StudyConfig]) -> dict[str, pl.DataFrame]:
    """Returns the tables that ship."""
    runs, returns, responses, curves, spent, costs = [], [], [], [], [], []
    for family, config in configs.items():
        marks, tuning = marks_of(config), folder / "tuning" / family
        marked = pl.lit(marks, dtype=pl.Int64).alias("marks")
        for name, tables_ in (("responses", responses), ("curves", curves), ("spent", spent)):
            tables_.append(pl.read_parquet(tuning / f"{name}.parquet").select(marked, pl.all()))
        store, plan = Store(folder / family), make_plan(config)
        done = tuple(job for job in plan.jobs if store.done(job))
        if not any(job.kind == "adapt" for job in done):
            continue
        mine = runs_of(plan, store, marks)
        runs.append(whole_seeds(mine, config))
        returns.append(returns_of(plan, store, marks))
        costs.append(cost_table(Plan(jobs=done, folds={}), store).select(marked, pl.all()))
    every = {"runs": runs, "returns": returns, "responses": responses, "curves": curves, "spent": spent}
    return {name: pl.concat(t, how="diagonal") for name, t in (every | {"costs": costs}).items() if t}


def looked(seeds: int) -> tuple[int, float]:
    """Returns the last planned look that so many seeds reach, 0 for none, and the level it may decide at."""
    reached = [look for look in MAP.looks if look <= seeds]
    if not reached:
        return 0, 0.0
    return reached[-1], nominal_levels(tuple(look / MAP.looks[-1] for look in reached))[-1]


def main(folder: Path) -> None:
    """Writes all that ships beside this file."""
    configs = studies(folder)
    found = tables(folder, configs)
    for name, table in found.items():
        table.write_parquet(HERE / f"{name}.parquet")
    for family in configs:  # what `--tuned docs/results/toy-map/tuning` takes over
        (HERE / "tuning" / family).mkdir(parents=True, exist_ok=True)
        for name in (TUNED, *TABLES):
            shutil.copyfile(folder / "tuning" / family / name, HERE / "tuning" / family / name)
    runs, returns = found.get("runs"), found.get("returns")
    if runs is None or returns is None or runs.is_empty():
        print("no whole seed yet")
        return
    seeds = {marks: mine["seed"].n_unique() for (marks,), mine in runs.group_by("marks")}
    look, alpha = looked(seeds.get(0, 0))
    by_family = {
        family: {"marks": marks_of(c), "chosen": c.chosen, "grid": c.grid, "seeds": seeds.get(marks_of(c), 0)}
        for family, c in configs.items()
    }
    page = {
        "families": by_family,
        "look": look,
        "alpha": alpha,
        "budget": MAP.adapt.env_steps,
        "predictions": [],
        "map": cells_of_map(runs, configs),
    }
    if look:
        whole = [marks for marks, n in seeds.items() if n >= look]  # a family short of a seed waits
        kept = runs.filter(pl.col("seed") < MAP.first_seed + look, pl.col("marks").is_in(whole))
        hidden = configs["hidden-catch"]
        visible = configs.get("visible-catch", replace(hidden, family="toy/visible-catch"))  # else not run
        mine = returns.filter(pl.col("seed") < MAP.first_seed + look)
        page["preconditions"] = [
            {"name": one.name, "holds": one.holds, "reason": one.reason}
            for one in preconditions_of(mine).values()
        ]
        cells = cells_of(beside(kept), MAP.adapt.env_steps)
        page["predictions"] = as_json(
            decided(map_claims(hidden, visible), cells, preconditions_of(mine), alpha)
        )
        for one in page["predictions"]:
            print(one["id"], one["label"])
    (HERE / "map.json").write_text(json.dumps(page, indent=1) + "\n")
    print(", ".join(f"{marks} marks: {n} seeds" for marks, n in sorted(seeds.items())), "look", look)


def cells_of_map(runs: pl.DataFrame, configs: dict[str, StudyConfig]) -> list[dict[str, object]]:
    """Returns a row for each family and snapshot: every arm's mean at its chosen point, who is best."""
    cells, found = cells_of(beside(runs), MAP.adapt.env_steps), []
    for config in configs.values():
        marks = marks_of(config)
        arms = {arm(config, row): row for row in (chosen(config, name) for name in config.methods)}
        for step in MAP.evaluation.at:
            mine = cells.get(value_after(step), {})
            if not set(arms) <= set(mine):
                continue
            best = best_of(mine, arms)
            means = {row: float(mine[name]["value"].to_numpy().mean()) for name, row in arms.items()}
            found.append(
                {
                    "marks": marks,
                    "env_step": step,
                    "seeds": int(mine[next(iter(arms))]["seed"].n_unique()),
                    "best": best.row,
                    "value": best.value,
                    "not_beaten": list(best.open),
                    "decided": best.decided,
                    "pretraining_decided": best.pretraining_decided and bool(best.open),
                    "means": means,
                }
            )
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]))
