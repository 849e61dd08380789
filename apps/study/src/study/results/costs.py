"""What a study took: env steps, updates, seconds, tuning trials."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl
from fvm_eval import Budget, Ledger

from study.folder.store import Store
from study.plan import Job, Plan


def spent_by(method: str, adaptations: Sequence[Job], store: Store, trials: int) -> Ledger:
    """Returns the ledger of the method's dearest adaptation by the envs' meter, with its tuning trials."""
    ledgers = []
    for job in adaptations:
        if job.method == method:
            ledger = Ledger(Budget(env_steps=job.budget_env_steps))  # its demos come with its state
            ledger.load_state_dict(store.note(job, "ledger"))
            ledger.charge(updates=store.note(job, "costs")["updates"])
            ledgers.append(ledger)
    dearest = max(ledgers, key=lambda ledger: ledger.env_steps)
    dearest.charge(trials=trials)
    return dearest


def cost_table(plan: Plan, store: Store) -> pl.DataFrame:
    """Returns what each job took: env steps, updates, seconds, device; the results have no times."""
    rows = []
    for job in plan.jobs:
        costs = store.note(job, "costs")
        names = ("env_steps", "updates", "wall_s", "evaluation_s", "device_s", "device")
        shown = {name: costs[name] for name in names}
        rows.append({"kind": job.kind, "method": job.method, "seed": job.seed, "key": job.key, **shown})
    return pl.DataFrame(rows)


def cost_summary(costs: pl.DataFrame, methods: Sequence[str]) -> pl.DataFrame:
    """Returns a row for each method and kind of training: what one run took, and all of them together."""
    rows: list[dict[str, Any]] = []
    for method in methods:
        for kind, phase in (("pretrain", "pretraining"), ("adapt", "adaptation")):
            mine = costs.filter((pl.col("method") == method) & (pl.col("kind") == kind))
            if mine.is_empty():
                continue
            mean = mine.select("env_steps", "updates", "device_s", "wall_s").mean().row(0, named=True)
            rows.append(
                {
                    "method": method,
                    "phase": phase,
                    "runs": len(mine),
                    "env steps a run": round(mean["env_steps"]),
                    "updates a run": round(mean["updates"]),
                    "device s a run": round(mean["device_s"], 1),
                    "s a run": round(mean["wall_s"], 1),
                    "s in all": round(mean["wall_s"] * len(mine)),
                }
            )
    return pl.DataFrame(rows)
