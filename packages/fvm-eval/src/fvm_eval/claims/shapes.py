"""Shapes that claims often have: a rise step by step, and a method that wins however its rival is tuned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from fvm_eval.claims.claim import Claim
from fvm_eval.claims.components import Component


def steps(
    name: str,
    summary: str,
    arms: Mapping[str, Mapping[str, float]],
    *,
    margin: float = 0.0,
    detect: float | None = None,
    **more: Any,
) -> list[Component]:
    """Returns a component for each step from one arm to the next: the later minus the earlier > margin.

    A slope through three log-spaced sizes gives the middle one no weight: a rise to the second and a fall to
    the third would pass for a rise. All steps must pass.

    Args:
        name: What rises, as in "multi-task".
        summary: Whose cells.
        arms: By label ("100 levels") in order, each a contrast by arm; of one arm {arm: 1}.
        margin: By how much each step must rise.
        detect: As `Component.detect`.
        more: Other fields of every component.

    Raises:
        ValueError: Fewer than two arms.
    """
    if len(arms) < 2:
        raise ValueError(f"arms {list(arms)}: a step needs two")
    found = []
    for (before, lower), (after, upper) in pairwise(arms.items()):
        weights = dict(upper)
        for arm, weight in lower.items():
            weights[arm] = weights.get(arm, 0.0) - weight
        title = f"{name}, {after} − {before}"
        found.append(
            Component(name=title, summary=summary, weights=weights, margin=margin, detect=detect, **more)
        )
    return found


def however_tuned(
    *,
    id: str,
    mine: str,
    chosen: str,
    points: Sequence[str],
    summary: str,
    names: Mapping[str, str],
    margin: float = 0.0,
    detect: float | None = None,
    rival_learned: Mapping[str, str] | None = None,
    **more: Any,
) -> Claim:
    """Returns the claim that an arm at its chosen point beats a rival at every point of the rival's grid.

    Each point is a part and all must pass (intersection-union, so without correction): what one picks for
    the rival after looking cannot matter. Where only the rival's chosen point was run, the claim's sentence
    says so.

    Args:
        id: Of the claim.
        mine: Arm at the point that was chosen on validation tasks.
        chosen: The rival's arm at its chosen point, one of `points`.
        points: The rival's arms on the held-out tasks, the whole grid.
        summary: Whose cells.
        names: Readable names of the arms; what is lacking is named by its arm.
        margin: By how much.
        detect: As `Component.detect`.
        rival_learned: By rival arm, the precondition that it learned.
        more: Other fields of the claim.

    Raises:
        ValueError: The chosen point is not among the points.
    """
    if chosen not in points:
        raise ValueError(f"chosen={chosen!r} is none of the points {', '.join(points)}")
    learned = rival_learned or {}
    ours, rival = names.get(mine, mine), names.get(chosen, chosen)
    parts = [
        Component(
            name=f"{ours} − {names.get(point, point)}",
            summary=summary,
            weights={mine: 1.0, point: -1.0},
            margin=margin,
            detect=detect,
            rival_learned=[learned[point]] if point in learned else (),
        )
        for point in (chosen, *(point for point in points if point != chosen))
    ]
    return Claim(
        id=id,
        statement=f"{ours} beats {rival}",
        scope=f"however tuned ({len(points)} points of its grid)",
        scope_in_part="at the rival's chosen point",
        components=parts,
        **more,
    )
