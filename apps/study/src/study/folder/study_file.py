"""Whose a folder is: study.json says which study, and a lock that only one process works on it."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from study.errors import StudyError, writing
from study.folder.files import PARTIAL, Damaged, canonical_json, is_folder, json_bytes, read_json, write_bytes

FORMAT = 1
MARKER = "study.json"
# What a study writes through, and so must not be a link that leads elsewhere.
OURS = ("jobs", "running", "report", "videos", "mlartifacts", "mlflow.db", ".lock")
JOB_FOLDER = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, kw_only=True)
class StudyFile:
    """What study.json says."""

    identity: Mapping[str, Any]
    splits: Mapping[str, str]


def read_study_file(root: Path) -> StudyFile | None:
    """Returns what a folder's study.json says; None if there is none.

    Raises:
        StudyError: It is damaged, or another program's.
    """
    marker = root / MARKER
    try:
        value = read_json(marker)
        match value:
            case {"fvm_study": int(found)} if found != FORMAT:
                raise Damaged(f"format {found}, this program writes {FORMAT}")
            case {"fvm_study": int(), "identity": dict(identity)}:
                pass
            case _:
                raise Damaged("it names no study")
        splits = value.get("splits", {})
        if not isinstance(splits, dict) or not all(isinstance(text, str) for text in splits.values()):
            raise Damaged("its splits are no hashes by name")
        canonical_json(identity)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, Damaged, ValueError, RecursionError) as error:
        words = getattr(error, "strerror", None) or str(error) or "nested too deeply"
        mend = "choose another --output"
        if has_jobs(root):
            mend += (
                f", or, if it was this study's, delete {marker} and run the same command again: it is "
                f"written anew, and the finished jobs are kept"
            )
        raise StudyError(f"{marker} is not a study's ({words}); {mend}") from None
    return StudyFile(identity=identity, splits=splits)


def recorded_plugins(root: Path) -> dict[str, Any]:
    """Returns the hashes of the plug-ins with which a study last ran, by name; empty if none can be read."""
    try:
        value = read_json(root / MARKER)
    except (OSError, Damaged):
        return {}
    found = value.get("plugins") if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def recorded_command(root: Path) -> str:
    """Returns the command with which a study last ran, for this folder; empty if none is known.

    It comes from whoever ran it: quoted anew, so that a shell takes it for words, whatever is in them.
    """
    try:
        value = read_json(root / MARKER)
        command = value["command"]
        words = shlex.split(command) if isinstance(command, str) else []  # of None it would read the terminal
    except (OSError, Damaged, TypeError, KeyError, ValueError):
        return ""
    if "--output" in words[:-1]:
        words[words.index("--output") + 1] = str(root)
    elif words[:3] == ["uv", "run", "study"]:
        words += ["--output", str(root)]
    return shlex.join(words)


def check_owner(root: Path, identity: Mapping[str, Any]) -> Mapping[str, str]:
    """Returns the splits recorded in a folder that is this study's, or empty.

    Raises:
        StudyError: It holds something else.
    """
    found = read_study_file(root)
    if found is None:
        others = sorted(p.name for p in root.iterdir() if p.name != ".lock")
        if others and not has_jobs(root):  # only study.json is lost: jobs are known by their keys
            raise StudyError(
                f"{root} is not empty and holds no study (it has {others[0]!r}); choose another --output"
            )
        return {}
    mine = dict(read_back(identity))
    theirs = dict(found.identity)
    if canonical_json(theirs) != canonical_json(mine):
        differ = sorted(k for k in {*theirs, *mine} if theirs.get(k) != mine.get(k))
        raise StudyError(
            f"{root} holds another study (it differs in {', '.join(differ)}); choose another --output"
        )
    return found.splits


def has_jobs(root: Path) -> bool:
    """Whether a folder holds finished jobs, and nothing else where they lie."""
    names = [entry.name for entry in os.scandir(root / "jobs")] if is_folder(root / "jobs") else []
    return bool(names) and all(JOB_FOLDER.fullmatch(name) for name in names)


def read_back(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns a value as it comes back from JSON: tuples are lists, keys are texts."""
    back: dict[str, Any] = json.loads(canonical_json(value))
    return back


def claim(
    root: Path,
    identity: Mapping[str, Any],
    config: Mapping[str, Any],
    splits: Mapping[str, str],
    plugins: Mapping[str, str],
    command: str,
) -> IO[bytes]:
    """Makes a folder this study's own until the file that is returned is closed.

    Raises:
        StudyError: The folder holds something else, another process works on it, or it cannot be written.
    """
    lock = None
    try:
        root.mkdir(parents=True, exist_ok=True)
        recorded = check_owner(root, identity)
        check_links(root)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        lock = os.fdopen(os.open(root / ".lock", flags, 0o666), "r+b", buffering=0)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        assert lock is not None
        lock.close()
        raise StudyError(
            f"another process is working on the study in {root}; wait for it or choose another --output"
        ) from None
    except OSError as error:
        raise StudyError(
            f"cannot use {root} as the output folder ({error.strerror}); choose another --output"
        ) from None
    study = {"fvm_study": FORMAT, "identity": identity, "config": config}
    study |= {"plugins": plugins, "command": command}  # for people: nothing loads or runs them
    study["splits"] = {**splits, **recorded}  # what was recorded first stays
    write_bytes(root / MARKER, json_bytes(study))
    for name in ("jobs", "running"):
        with writing(root / name):
            (root / name).mkdir(exist_ok=True)
    sweep(root)
    return lock


def check_links(root: Path) -> None:
    """Raises StudyError if a stranger's folder has links where a study would write through them."""
    places = [root / name for name in OURS]
    for name in ("jobs", "running", "videos", "report"):
        if is_folder(root / name):
            places += [Path(entry.path) for entry in os.scandir(root / name) if entry.is_symlink()]
        elif os.path.lexists(root / name) and not (root / name).is_symlink():
            raise StudyError(f"{root / name} is no folder; move it away and run the same command again")
    for folder, folders, files in os.walk(root / "mlartifacts"):
        places += [Path(folder, name) for name in (*folders, *files)]
    for place in places:
        if place.is_symlink():
            raise StudyError(
                f"{place} is a symbolic link to {os.readlink(place)}, and a study writes nothing outside "
                f"its folder; put in its place what it leads to, or remove it, and run the command again"
            )


def sweep(root: Path) -> None:
    """Removes what killed processes were writing in a study's own folders; jobs under way keep theirs."""
    for folder in (root, root / "report", root / "videos"):
        if is_folder(folder):
            for entry in os.scandir(folder):
                if entry.name.startswith(".") and entry.name.endswith(PARTIAL):
                    os.unlink(entry.path)
