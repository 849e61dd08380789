"""The plan in the study's folder, from which workers anywhere take jobs; replaced whole when it grows."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from study.errors import StudyError
from study.folder.files import Damaged, read_json, write_bytes
from study.folder.study_file import recorded_command
from study.machine import needs
from study.machine.needs import Needs
from study.plan import Job

PLAN = "plan.json"
FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class PlanFile:
    """What workers need to know.

    Attributes:
        jobs: All jobs, parents before children.
        command: The command line that made the plan.
        config: The study's config as `config_file` writes it; empty where there is none, as of trials.
        needs: What a job of each kind needs of a machine; nothing is known of a kind that is not there.
    """

    jobs: tuple[Job, ...]
    checkpoint_every_s: float = 30.0
    command: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    needs: Mapping[str, Needs] = field(default_factory=dict)


def write_plan(root: Path, plan: PlanFile) -> None:
    """Puts a plan in a study's folder."""
    value = {
        "fvm_plan": FORMAT,
        "checkpoint_every_s": plan.checkpoint_every_s,
        "command": plan.command,
        "config": dict(plan.config),
        "needs": needs.as_json(plan.needs),
        "jobs": as_json(plan.jobs),
    }
    write_bytes(root / PLAN, json.dumps(value).encode())


def read_plan(root: Path) -> PlanFile:
    """Returns the plan in a study's folder.

    Raises:
        StudyError: There is none, or it is damaged.
    """
    path = root / PLAN
    try:
        value = read_json(path)
        match value:
            case {"fvm_plan": int(found)} if found != FORMAT:
                raise Damaged(f"format {found}, this program reads {FORMAT}")
            case {"fvm_plan": int(), "jobs": list(listed), "checkpoint_every_s": int() | float() as every_s}:
                pass
            case _:
                raise Damaged("it is no plan")
        if every_s < 0 or isinstance(every_s, bool):
            raise Damaged(f"checkpoints every {every_s} s")
        jobs = of_json(listed)
        made_by, config = str(value.get("command", "")), dict(value.get("config", {}))
        needed = needs.of_json(dict(value.get("needs", {})))
    except (FileNotFoundError, NotADirectoryError):
        if not root.is_dir():
            raise StudyError(f"there is no folder {root}; name the --output of a study") from None
        command = recorded_command(root) or f"study ... --output {root}"
        raise StudyError(
            f"{root} has no plan of a study's jobs; run `{command}`, which writes it and runs only what is "
            f"missing (--engine folder leaves that to workers elsewhere)"
        ) from None
    except (OSError, Damaged, TypeError, ValueError, KeyError, RecursionError) as error:
        words = getattr(error, "strerror", None) or str(error)
        raise StudyError(
            f"{path} is damaged ({words}); run the study's own command again, which writes it anew"
        ) from None
    return PlanFile(
        jobs=jobs, checkpoint_every_s=float(every_s), command=made_by, config=config, needs=needed
    )


def as_json(jobs: Sequence[Job]) -> list[dict[str, Any]]:
    """Returns what a file says of jobs, parents before children."""
    listed = []
    for job in jobs:
        own = {each.name: getattr(job, each.name) for each in fields(job) if each.name != "parent"}
        listed.append({**own, "key": job.key, "parent": job.parent.key if job.parent else None})
    return listed


def of_json(listed: Sequence[Any]) -> tuple[Job, ...]:
    """Returns the jobs that `as_json` wrote.

    Raises:
        Damaged: They are none, or a spec does not give its key.
        TypeError, ValueError, KeyError: Likewise.
    """
    jobs: dict[str, Job] = {}
    for own in listed:
        own = dict(own)
        key, parent = own.pop("key"), own.pop("parent")
        job = Job(**own, parent=None if parent is None else jobs[parent])
        labels = {"kind": str, "spec": dict, "method": str, "fold": int, "seed": int, "held_out": str}
        if not all(isinstance(getattr(job, name), kind) for name, kind in labels.items()):
            raise Damaged(f"job {str(key)[:16]} has a label of another type")
        if job.key != key:
            raise Damaged(f"the spec of job {str(key)[:16]} does not give its key")
        jobs[key] = job
    return tuple(jobs.values())


def stamp(root: Path) -> tuple[int, int, int]:
    """Returns what changes when the plan is replaced."""
    try:
        found = os.stat(root / PLAN)
    except OSError:
        return (0, 0, 0)
    return (found.st_ino, found.st_mtime_ns, found.st_size)
