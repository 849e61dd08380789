"""The log of looks in a study's folder: every set of finished runs on which verdicts were reported, in order.

It goes where the runs go, into an archive and out of a cache: who adds seeds to somebody's study has looked
as often as they have.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from study.errors import StudyError
from study.folder.files import Damaged, canonical_json, read_json, write_bytes

LOOKS = "looks.json"
FIELDS = {"clusters": str, "checkpoints": int, "planned": bool, "asked": str}  # of fvm_eval.claims.Look


def read_looks(root: Path) -> list[dict[str, Any]]:
    """Returns the looks in a study's folder as plain values, first to last; none if there is no log.

    Raises:
        StudyError: It is damaged.
    """
    try:
        entries = read_json(root / LOOKS)
        if not (isinstance(entries, list) and all(map(_is_look, entries))):
            raise Damaged("it is no list of looks")
    except (FileNotFoundError, NotADirectoryError):
        return []
    except (OSError, Damaged, ValueError, RecursionError) as error:
        words = getattr(error, "strerror", None) or str(error)
        raise StudyError(
            f"{root / LOOKS} is damaged ({words}); put a copy of it back, or delete it and run the same "
            "command again: the log then begins with this look, which the report cannot know"
        ) from None
    return entries


def write_looks(root: Path, looks: Iterable[Mapping[str, Any]]) -> None:
    """Puts the log in a study's folder."""
    write_bytes(root / LOOKS, canonical_json(list(looks)).encode())


def add_looks(root: Path, others: Iterable[Mapping[str, Any]]) -> None:
    """Adds looks at runs that came from elsewhere, but for those that are known here."""
    mine = read_looks(root)
    known = {(look["clusters"], look.get("asked", "")) for look in mine}
    new = [look for look in others if (look["clusters"], look.get("asked", "")) not in known]
    if new:
        write_looks(root, [*mine, *new])


def _is_look(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and {*FIELDS} - {"asked"} <= {*entry} <= {*FIELDS}
        and all(type(value) is FIELDS[name] for name, value in entry.items())
        and entry["checkpoints"] > 0
    )
