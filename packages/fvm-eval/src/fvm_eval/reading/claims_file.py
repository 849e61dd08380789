"""Claims from a TOML file, fixed before anyone looked.

[[comparison]]                     # one method against another at the end
left = "ppo"
right = "dqn"
kind = "superiority"               # or "non-inferiority"
margin = 0.1                       # smallest difference that matters, in the unit of the shown scores

[[claim]]                          # of several parts, all of which must pass
id = "A"
statement = "PPO beats DQN and is no worse than SAC."
[[claim.part]]
left = "ppo"
right = "dqn"
[[claim.part]]
weights = { ppo = 1.0, sac = -1.0 }
kind = "equivalence"
summary = "area"                   # "final" (default), "area", "start"
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, TypeVar

from fvm_eval.analysis.study_results import AREA, VALUE, ZERO_SHOT, StudyResults
from fvm_eval.analysis.summaries import scale_of
from fvm_eval.claims import Claim, Comparison, Component
from fvm_eval.table import TableError

_Made = TypeVar("_Made", Claim, Comparison, Component)
_SUMMARIES = {"final": VALUE, "area": AREA, "start": ZERO_SHOT}
_COMPARISON = ("left", "right", "kind", "margin", "estimand", "min_checkpoints")
_CLAIM = ("id", "statement", "part", "assay", "min_checkpoints", "paper_says")
_PART = ("name", "left", "right", "weights", "kind", "margin", "summary", "detect")


@dataclass(frozen=True)
class ClaimsFile:
    """What a file claims."""

    claims: Sequence[Claim]
    comparisons: Sequence[Comparison]


def read_claims(path: Path, study: StudyResults, margin: float | None, span: float = 1.0) -> ClaimsFile:
    """Returns the claims of a TOML file.

    Args:
        path: Of the file.
        study: Whose methods they are about.
        margin: For parts without one, in shown units.
        span: Of the shown units; margins are divided by it.

    Raises:
        TableError: It is no TOML, or says something that no claim has.
        FileNotFoundError: There is no such file.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise TableError(f"--claims {path} is no TOML: {str(error).splitlines()[0]}") from None
    reader = _Reader(path, study, margin, span)
    reader.keys(content, ("comparison", "claim"), "the file")
    comparisons = [reader.comparison(item, i) for i, item in enumerate(reader.list(content, "comparison"), 1)]
    claims = [reader.claim(item, i) for i, item in enumerate(reader.list(content, "claim"), 1)]
    if not comparisons and not claims:
        raise TableError(f"--claims {path} has neither [[claim]] nor [[comparison]]")
    return ClaimsFile(claims, comparisons)


@dataclass(frozen=True)
class _Reader:
    path: Path
    study: StudyResults
    margin: float | None
    span: float

    def comparison(self, item: Mapping[str, Any], place: int) -> Comparison:
        where = f"comparison {place}"
        self.keys(item, _COMPARISON, where)
        left, right = self.method(item, "left", where), self.method(item, "right", where)
        estimand = item.get("estimand", f"Difference of the final scores of {left} and {right}.")
        kind, least = item.get("kind", "superiority"), self.size(item, where)
        return self.made(
            where,
            lambda: Comparison(
                left=left,
                right=right,
                estimand=str(estimand),
                kind=kind,
                margin=least,
                min_checkpoints=item.get("min_checkpoints", 5),
            ),
        )

    def claim(self, item: Mapping[str, Any], place: int) -> Claim:
        where = f"claim {place}"
        self.keys(item, _CLAIM, where)
        parts = [self.part(part, f"{where}, part {i}") for i, part in enumerate(self.list(item, "part"), 1)]
        assay = self.part(item["assay"], f"{where}, assay") if "assay" in item else None
        return self.made(
            where,
            lambda: Claim(
                id=str(item.get("id", place)),
                statement=str(item.get("statement", "; ".join(part.name for part in parts))),
                paper_says=str(item.get("paper_says", "")),
                components=parts,
                assay=assay,
                min_checkpoints=item.get("min_checkpoints", 5),
            ),
        )

    def part(self, item: Mapping[str, Any], where: str) -> Component:
        self.keys(item, _PART, where)
        if "weights" in item:
            if not isinstance(item["weights"], dict):
                raise TableError(f"--claims {self.path}, {where}: write weights = {{ METHOD = NUMBER, ... }}")
            weights = {self.known(str(name), where): weight for name, weight in item["weights"].items()}
        else:
            weights = {self.method(item, "left", where): 1.0, self.method(item, "right", where): -1.0}
        if not all(type(weight) in (int, float) and isfinite(weight) for weight in weights.values()):
            raise TableError(f"--claims {self.path}, {where}: weights must be finite numbers")
        if abs(sum(weights.values())) > 1e-9 and scale_of(self.study).low:
            raise TableError(
                f"--claims {self.path}, {where}: weights add up to {sum(weights.values()):g}, not 0: no "
                "difference, and of scores whose range does not begin at 0 only differences have a margin"
            )
        summary = item.get("summary", "final")
        if summary not in (*_SUMMARIES, *_SUMMARIES.values()):
            raise TableError(
                f"--claims {self.path}, {where}: summary {summary!r}, expected {', '.join(_SUMMARIES)}"
            )
        name = item.get("name", " − ".join(self.study.label(arm) for arm in weights))
        least = self.size(item, where)
        detect = self.distance("detect", item["detect"], where) if "detect" in item else None
        final = VALUE if self.study.final_step else "Score"
        return self.made(
            where,
            lambda: Component(
                name=str(name),
                summary=final if summary == "final" else _SUMMARIES.get(summary, summary),
                weights={arm: float(weight) for arm, weight in weights.items()},
                kind=item.get("kind", "superiority"),
                margin=least,
                detect=detect,
            ),
        )

    def method(self, item: Mapping[str, Any], key: str, where: str) -> str:
        if not isinstance(item.get(key), str):
            raise TableError(f"--claims {self.path}, {where}: give {key} = the name of a method")
        return self.known(item[key], where)

    def known(self, name: str, where: str) -> str:
        if name in self.study.methods:
            return name
        near = difflib.get_close_matches(name, self.study.methods, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise TableError(
            f"--claims {self.path}, {where}: there is no method {name!r}, the table has "
            f"{', '.join(self.study.methods)}{hint}"
        )

    def size(self, item: Mapping[str, Any], where: str) -> float:
        return self.distance("margin", item.get("margin", self.margin), where)

    def distance(self, key: str, size: object, where: str) -> float:
        """Returns a share of the shown span; what is refused is named as the file has it."""
        if not isinstance(size, (int, float)) or isinstance(size, bool):
            raise TableError(
                f"--claims {self.path}, {where}: give {key} = SIZE, the smallest difference that matters"
            )
        if not 0 <= size < float("inf"):
            raise TableError(
                f"--claims {self.path}, {where}: {key} = {size}: give the smallest difference that matters, "
                "above 0"
            )
        return float(size) / self.span

    def list(self, item: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
        found = item.get(key, [])
        if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
            raise TableError(f"--claims {self.path}: write {key} as [[{key}]]")
        return found

    def keys(self, item: Mapping[str, Any], known: Sequence[str], where: str) -> None:
        if not isinstance(item, dict):
            raise TableError(f"--claims {self.path}, {where}: expected a table of {', '.join(known)}")
        if unknown := [key for key in item if key not in known]:
            near = difflib.get_close_matches(unknown[0], known, n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(known)}"
            raise TableError(f"--claims {self.path}, {where}: unknown key {unknown[0]!r}{hint}")

    def made(self, where: str, make: Callable[[], _Made]) -> _Made:
        try:
            return make()
        except (ValueError, TypeError) as error:
            raise TableError(f"--claims {self.path}, {where}: {error}") from None
