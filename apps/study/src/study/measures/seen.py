"""Whether a pretraining met the tasks of its size: claims about sizes mean nothing of tasks that none saw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fvm_eval.claims import Precondition

from study.claims.arms import seen
from study.registry import Findings, Finished, Measure

LEAST = 0.8  # share of its training tasks that every pretraining must have met


def met_enough(met: Mapping[str, Sequence[tuple[int | None, int]]], unit: str) -> list[Precondition]:
    """Returns, for each method, whether each of its pretrainings met most of its training tasks.

    Args:
        met: By method, of each pretraining how many distinct tasks it finished an episode on (or trained an
            inner loop on), None where nobody counted, and how many it had.
        unit: What a task is called.
    """
    found = []
    for method, pretrainings in met.items():
        counts = [count for count, _ in pretrainings]
        if any(count is None for count in counts):
            found.append(
                Precondition(seen(method, unit), None, f"the {unit}s that were met were not counted")
            )
            continue
        least, of = min(
            ((count or 0, size) for count, size in pretrainings), key=lambda pair: pair[0] / pair[1]
        )
        reason = f"at least {least:,} of {of:,}, {LEAST:.0%} wanted".replace("%", " %")
        found.append(Precondition(seen(method, unit), least >= LEAST * of, reason))
    return found


def findings(finished: Finished) -> Findings:
    """Returns a precondition for each pretrained method."""
    met: dict[str, list[tuple[int | None, int]]] = {}
    for job in finished.pretrainings:
        count = finished.store.note(job, "costs").get("tasks_met")
        met.setdefault(job.method, []).append((count, len(job.spec["tasks"])))
    return Findings(preconditions=met_enough(met, finished.config.unit))


SEEN = Measure(name="seen", findings=findings)
