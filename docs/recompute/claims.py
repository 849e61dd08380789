"""A report's verdicts again: each part's number, limits and p values, the rule, and the seeds needed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from cells import Cells
from formulas import FEW, Group, cut, groups, holm, interval, p_beyond, possible
from scipy import stats

Row = Mapping[str, Any]


def verdicts(report: Mapping[str, Any], cells: Cells) -> Iterator[tuple[str, Any, Any]]:
    """Yields every part's numbers and every claim's verdict beside what the report has."""
    held = {row["name"]: row["holds"] for row in report.get("preconditions", ())}
    for claim in dict.fromkeys(row["claim"] for row in report.get("claims", ())):
        rows = [row for row in report["claims"] if row["claim"] == claim]
        tested = [part(row, cells, report["score_bounds"], held) for row in rows]
        parts = [found for found, row in zip(tested, rows, strict=True) if not row["assay"]]
        correct(parts, rows[0]["alpha"])
        for row, found in zip(rows, tested, strict=True):
            for name in (
                "estimate",
                "limits",
                "p",
                "p_against_holm",
                "passed",
                "contradicted",
                "seeds_needed",
            ):
                printed = row.get(name)
                if name == "limits" and row["low"] is not None:
                    printed = cut((row["low"], row["high"]), found.get("possible"))
                yield f"{claim}, {row['part']} ({row['summary']}): {name}", found.get(name), printed
        assay = next((found for found, row in zip(tested, rows, strict=True) if row["assay"]), None)
        yield f"{claim}: verdict", label(rows, parts, assay, held), rows[0]["verdict"]


def part(
    row: Row, cells: Cells, bounds: Mapping[str, Any], held: Mapping[str, bool | None]
) -> dict[str, Any]:
    """Returns one part's numbers, and what is in the way of a decision."""
    weights, mine = json.loads(row["weights"]), cells.get(row["summary"], {})
    if any(arm not in mine for arm in weights):
        return {"doubt": "not run", "passed": False, "contradicted": False}
    found = groups(mine, weights, bounds.get(row["summary"]))
    limits, p, against = interval(found, 1 - row["alpha"]), p_for(row, found), p_against(row, found)
    result: dict[str, Any] = {
        "estimate": sum(one.mean for one in found),
        "limits": cut(limits, possible(found)),
        "possible": possible(found),
        "p": p,
        "p_against_holm": against,
        "passed": False,
        "contradicted": False,
        "seeds_needed": seeds_needed(row, found),
    }
    needs = json.loads(row["part_needs"]) + json.loads(row["rivals_learned"])
    if min(one.checkpoints for one in found) < row["min_checkpoints"]:
        result["doubt"] = "too small"
    elif any(held.get(name) is not True for name in needs):
        result["doubt"] = "a precondition"
    elif p is None or against is None:
        result["doubt"] = "no interval"
    else:
        result["doubt"] = ""
        result["passed"] = p <= row["alpha"]
        result["contradicted"] = p > row["alpha"] and against <= row["alpha"]
    return result


def p_for(row: Row, found: list[Group]) -> float | None:
    """Returns the p value of what the part claims."""
    margin = row["margin"]
    if row["kind"] == "equivalence":
        both = p_beyond(found, -margin, 1), p_beyond(found, margin, -1)
        return None if None in both else max(both)  # type: ignore[type-var]
    if row["kind"] == "no gain":
        return doubled(p_beyond(found, margin, -1))
    return doubled(p_beyond(found, -margin if row["kind"] == "non-inferiority" else margin, 1))


def p_against(row: Row, found: list[Group]) -> float | None:
    """Returns the p value of the opposite."""
    margin = row["margin"]
    if row["kind"] == "equivalence":
        both = p_beyond(found, margin, 1), p_beyond(found, -margin, -1)
        return None if None in both else doubled(min(both))  # type: ignore[type-var]
    if row["kind"] == "no gain":
        return doubled(p_beyond(found, margin, 1))
    return doubled(p_beyond(found, -margin if row["kind"] == "non-inferiority" else margin, -1))


def doubled(p: float | None) -> float | None:
    """Returns a two-sided p value."""
    return None if p is None else min(1.0, 2 * p)


def correct(parts: list[dict[str, Any]], alpha: float) -> None:
    """Adjusts the p values of the opposites by Holm over the parts that were tested."""
    tested = [found for found in parts if found["doubt"] == ""]
    for found, p in zip(tested, holm([found["p_against_holm"] for found in tested]), strict=True):
        found["p_against_holm"] = p
        found["contradicted"] = found["contradicted"] and p <= alpha


def label(
    rows: list[Row],
    parts: list[dict[str, Any]],
    assay: dict[str, Any] | None,
    held: Mapping[str, bool | None],
) -> str:
    """Returns the verdict by the rule of fvm_eval.claims: supported, in part, contradicted, undecided."""
    failed = any(held.get(name) is not True for name in json.loads(rows[0]["needs"]))
    if any(found["contradicted"] for found in parts) and not failed:
        return "contradicted"
    run = [found for found in parts if found["doubt"] != "not run"]
    of_equality = any(row["kind"] != "superiority" for row in rows if not row["assay"])
    shown = run and not failed and all(found["passed"] for found in run)
    if not shown or (of_equality and not (assay and assay["passed"])):
        return "undecided"
    return "supported" if len(run) == len(parts) else "supported in part"


def seeds_needed(row: Row, found: list[Group]) -> int | None:
    """Returns the seeds a method with which the part passes with power .8 at the observed spread."""
    limits, margin = interval(found, 1 - row["alpha"]), row["margin"]
    spreads = [np.sqrt(one.variance * one.checkpoints) for one in found]
    if limits is None or not any(spreads) or row["detect"] is None:
        return None
    threshold = -margin if row["kind"] == "non-inferiority" else margin
    wanted = threshold + row["detect"] if row["kind"] == "superiority" else 0.0
    truth = min(max(wanted, limits[0]), limits[1])
    if row["kind"] == "equivalence":
        if abs(truth) >= margin:
            return None
        needed = fewest(lambda n: equivalence_power(margin, truth, spreads, n, row["alpha"]))
    else:
        distance = threshold - truth if row["kind"] == "no gain" else truth - threshold
        if distance <= 0:
            return None
        needed = fewest(lambda n: power(distance, spreads, n, row["alpha"]))
    if needed is not None and row["how"] in ("Gaffke", "MOVER"):
        needed = max(needed, FEW)
    return None if needed is None else max(needed, row["min_checkpoints"])


def precision(spreads: list[float], seeds: int) -> tuple[float, float]:
    """Returns standard error and degrees of freedom of so many seeds a method."""
    total = sum(s**2 for s in spreads)
    return np.sqrt(total / seeds), (seeds - 1) * total**2 / sum(s**4 for s in spreads)


def power(distance: float, spreads: list[float], seeds: int, alpha: float) -> float:
    """Returns the chance that a two-sided t test detects this distance."""
    se, df = precision(spreads, seeds)
    critical, delta = stats.t.ppf(1 - alpha / 2, df), distance / se
    if delta > critical + 10:
        return 1.0
    return float(stats.nct.sf(critical, df, delta) + stats.nct.cdf(-critical, df, delta))


def equivalence_power(margin: float, truth: float, spreads: list[float], seeds: int, alpha: float) -> float:
    """Returns the chance that two one-sided t tests show the truth to lie within the margins."""
    se, df = precision(spreads, seeds)
    q = np.sqrt(stats.chi2.ppf((np.arange(2000) + 0.5) / 2000, df) / df)
    room = np.maximum(margin / se - stats.t.ppf(1 - alpha, df) * q, 0)
    return float(np.mean(stats.norm.cdf(room - truth / se) - stats.norm.cdf(-room - truth / se)))


def fewest(power_of: Any) -> int | None:
    """Returns the fewest seeds with power .8; None beyond 100,000."""
    enough = 2
    while power_of(enough) < 0.8:
        enough *= 2
        if enough > 100_000:
            return None
    few = enough // 2
    while enough - few > 1:
        middle = (enough + few) // 2
        few, enough = (middle, enough) if power_of(middle) < 0.8 else (few, middle)
    return enough
