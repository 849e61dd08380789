"""What a tuning by a grid has ever asked for in its folder, by method: given-up grids were paid for, too."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from study.errors import StudyError
from study.folder.files import Damaged, read_json, write_bytes
from study.folder.plan_file import as_json, of_json
from study.plan import Plan

LEDGER = "trials.json"
FORMAT = 1


def write_ledger(root: Path, ran: Mapping[str, Plan]) -> None:
    """Files each method's trials in a tuning's folder."""
    value = {"fvm_trials": FORMAT, "methods": {name: as_json(plan.jobs) for name, plan in ran.items()}}
    write_bytes(root / LEDGER, json.dumps(value).encode())


def read_ledger(root: Path) -> dict[str, Plan]:
    """Returns each method's trials, none where nothing was asked for yet.

    Raises:
        StudyError: The file is damaged.
    """
    path = root / LEDGER
    try:
        value = read_json(path)
        match value:
            case {"fvm_trials": int(found), "methods": dict(methods)} if found == FORMAT:
                return {str(name): Plan(jobs=of_json(jobs), folds={}) for name, jobs in methods.items()}
        raise Damaged("it is no ledger of trials")
    except FileNotFoundError:
        return {}
    except (OSError, Damaged, TypeError, ValueError, KeyError, RecursionError) as error:
        words = getattr(error, "strerror", None) or str(error)
        raise StudyError(
            f"{path} is damaged ({words}); delete this file and run `study tune` again: nothing that has run "
            "is lost, but trials of a grid that was given up are no longer counted"
        ) from None
