"""What the page ships, from the folders in which the map and the other lengths ran: runs, returns, verdicts.

    uv run python docs/results/toy-pretraining/gather.py MAP FOLDER

MAP has the map's `hidden-catch` and its tuning, FOLDER has `pretraining-.125` and `pretraining-4`. Only seeds
of which all arms have finished at every length count; rows of other seeds that ship already stay.
`recompute.py` finds the verdicts again without fvm.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import polars as pl
from fvm_eval.claims.looks import nominal_levels
from study.claims.toy_map import chosen
from study.claims.toy_map_cells import (
    as_json,
    beside,
    cells_of,
    decided,
    preconditions_of,
    returns_of,
    runs_of,
    whole_seeds,
)
from study.claims.toy_pretraining import LONG, SHORT, pretraining_claims
from study.config import StudyConfig
from study.folder.store import Store
from study.plan import Plan, make_plan
from study.presets.toy import pretrained_for
from study.presets.toy_map import MAP
from study.results.costs import cost_table
from study.tuning.tuned import with_tuned

HERE = Path(__file__).parent
FAMILY = "hidden-catch"


def studies(played: Path, folder: Path) -> dict[float, tuple[StudyConfig, Path]]:
    """Returns the three studies and where they ran, by length of pretraining."""
    found = {}
    for times in (SHORT, 1.0, LONG):
        config = replace(MAP, family=f"toy/{FAMILY}")
        if times != 1:
            config = replace(config, **pretrained_for(config, times))
        place = played / FAMILY if times == 1 else folder / f"pretraining-{times:g}".replace("0.", ".")
        found[times] = with_tuned(config, played / "tuning" / FAMILY), place
    return found


def tables(found: dict[float, tuple[StudyConfig, Path]]) -> dict[str, pl.DataFrame]:
    """Returns the tables that ship, of the seeds that are whole at every length."""
    every: dict[str, list[pl.DataFrame]] = {"runs": [], "returns": [], "costs": []}
    for times, (config, place) in found.items():
        store, plan = Store(place), make_plan(config)
        done = tuple(job for job in plan.jobs if store.done(job))
        length = [pl.lit(times).alias("times"), pl.lit(f"{times:g}").alias("length")]
        made = {
            "runs": whole_seeds(runs_of(plan, store, 0), config),
            "returns": returns_of(plan, store, 0),
            "costs": cost_table(Plan(jobs=done, folds={}), store),
        }
        for name, table in made.items():
            every[name].append(table.with_columns(length))
    seeds = set.intersection(*(set(runs["seed"]) for runs in every["runs"]))
    return {
        name: pl.concat(parts, how="diagonal").filter(pl.col("seed").is_in(sorted(seeds)))
        for name, parts in every.items()
    }


def with_shipped(name: str, made: pl.DataFrame, seeds: pl.Series) -> pl.DataFrame:
    """Returns a table with the shipped rows of other seeds before its own."""
    shipped = pl.read_parquet(HERE / f"{name}.parquet")
    others = shipped.filter(~pl.col("seed").is_in(seeds.implode()))
    return pl.concat([others, made], how="diagonal_relaxed").sort("times", "seed", maintain_order=True)


def main(played: Path, folder: Path) -> None:
    """Writes all that ships beside this file."""
    found = studies(played, folder)
    made = tables(found)
    here = made["runs"]["seed"].unique()
    made = {name: with_shipped(name, table, here) for name, table in made.items()}
    for name, table in made.items():
        table.write_parquet(HERE / f"{name}.parquet")
    runs, returns, config = made["runs"], made["returns"], found[1.0][0]
    seeds = runs["seed"].n_unique()
    looks = [look for look in MAP.looks if look <= seeds]
    if not looks:
        raise SystemExit(f"{seeds} whole seeds: the first look is planned at {MAP.looks[0]}")
    alpha = nominal_levels(tuple(look / MAP.looks[-1] for look in looks))[-1]
    first = pl.col("seed") < MAP.first_seed + looks[-1]
    conditions = preconditions_of(returns.filter(first, times=LONG))
    arms = beside(runs.filter(first), "x {}", "length")
    verdicts = decided(pretraining_claims(config), cells_of(arms, MAP.adapt.env_steps), conditions, alpha)
    page = {
        "look": looks[-1],
        "seeds": seeds,
        "alpha": alpha,
        "budget": MAP.adapt.env_steps,
        "chosen": {name: chosen(config, name) for name in config.methods},
        "preconditions": [
            {"name": one.name, "holds": one.holds, "reason": one.reason} for one in conditions.values()
        ],
        "predictions": as_json(verdicts),
    }
    (HERE / "pretraining.json").write_text(json.dumps(page, indent=1) + "\n")
    for one in page["predictions"]:
        print(one["id"], sum(part["passed"] for part in one["parts"]), "of", len(one["parts"]), one["label"])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
