"""Whether the posteriors of agents that infer a latent say anything of the task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from fvm_eval.claims import Precondition
from fvm_eval.naming import plural

from study.claims.arms import spoken
from study.methods import label_of
from study.registry import Findings, Finished, Measure

if TYPE_CHECKING:
    from study.folder.store import Store
    from study.plan import Job

COLLAPSED_NATS = 0.1  # a posterior no further from the prior says next to nothing


def posteriors(pretrainings: Sequence[Job], store: Store) -> dict[str, list[float]]:
    """Returns, for each method with a posterior, each pretraining's KL in nats over its last tenth."""
    table = store.table(
        [job for job in pretrainings if "context_window" in job.spec.get("config", {})], "metrics"
    )
    if table.is_empty():
        return {}
    last_tenth = pl.col("env_step") > 0.9 * pl.col("env_step").max().over("checkpoint")
    late = table.filter(last_tenth).filter(metric="posterior_kl")
    nats: dict[str, list[float]] = {}
    for method, mean in (
        (late.group_by("method", "checkpoint").agg(pl.col("value").mean()).sort("method", "checkpoint"))
        .drop("checkpoint")
        .iter_rows()
    ):
        nats.setdefault(method, []).append(mean)
    return nats


def posterior_note(nats: Mapping[str, Sequence[float]], unit: str) -> str:
    """Returns a sentence on how much the posteriors say, empty where there are none."""
    if not nats:
        return ""
    each = [
        f"{label_of(method, unit)} {np.mean(mine):.2f} ({min(mine):.2f} to {max(mine):.2f} over "
        f"{plural(len(mine), 'pretraining')})"
        for method, mine in nats.items()
    ]
    return (
        "Nats between posterior and prior in the last tenth of pretraining, near 0 where it has collapsed: "
        f"{'; '.join(each)}."
    )


def not_collapsed(nats: Mapping[str, Sequence[float]], unit: str) -> list[Precondition]:
    """Returns, for each method, whether all of its posteriors are further than that from the prior."""
    return [
        Precondition(
            spoken(method, unit),
            min(mine) > COLLAPSED_NATS,
            f"least {min(mine):.2f} nats, {COLLAPSED_NATS} wanted",
        )
        for method, mine in nats.items()
    ]


def findings(finished: Finished) -> Findings:
    """Returns a precondition for each such method, and a sentence on them all."""
    nats, unit = posteriors(finished.pretrainings, finished.store), finished.config.unit
    note = posterior_note(nats, unit)
    return Findings(preconditions=not_collapsed(nats, unit), notes=[note] if note else [])


POSTERIORS = Measure(name="posteriors", findings=findings)
