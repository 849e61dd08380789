"""What a finished job's folder says of itself: its key, its spec and the SHA-256 of each of its files.

job.json has all that is the same wherever the job ran. manifest.json, which says what ran it, has the sum of
costs.json and its own. The spec hashed again must give the key, and the key the folder's name, so neither
folders nor files can change places unnoticed.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from study.errors import StudyError
from study.folder.files import Damaged, canonical_json, json_bytes, read_json

RECORD = "job.json"
MANIFEST = "manifest.json"
WEIGHTS = "weights.safetensors"
COSTS = "costs.json"
SHA256 = re.compile(r"[0-9a-f]{64}")
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*")  # of a file in a job's folder: no path


@dataclass(frozen=True, kw_only=True)
class JobRecord:
    """A finished job: its key, its spec, and the SHA-256 of each of its other files by name."""

    key: str
    spec: Mapping[str, Any]
    files: Mapping[str, str]


def key_of(spec: Mapping[str, Any]) -> str:
    """Returns the SHA-256 of a spec, as 64 hex digits."""
    return hashlib.sha256(canonical_json(spec).encode()).hexdigest()


def short(key: str) -> str:
    """Returns what of a key names a job's folder."""
    return key[:16]


def record_bytes(record: JobRecord) -> bytes:
    """Returns the text of job.json."""
    kept = {name: digest for name, digest in record.files.items() if name not in (COSTS, MANIFEST)}
    value = {"key": record.key, "spec": record.spec, "files": kept}
    return json_bytes({**value, "sha256": key_of(value)})


def manifest_bytes(manifest: Mapping[str, Any], costs: str) -> bytes:
    """Returns the text of manifest.json, with the SHA-256 of the costs and of the manifest itself."""
    value = {**manifest, "files": {COSTS: costs} if costs else {}}
    return json_bytes({**value, "sha256": key_of(value)})


def read_manifest(folder: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Returns what ran a job, and the sums that its manifest lists; raises Damaged or OSError."""
    value = read_json(folder / MANIFEST)
    if not isinstance(value, dict) or not isinstance(value.get("files"), dict):
        raise Damaged("it is no manifest of a job")
    check_whole(value)
    return value, checked_sums(value.pop("files"))


def lacks_weights(record: JobRecord, folder: Path) -> bool:
    """Whether a finished job had weights that are not in its folder, as after an export without them."""
    return WEIGHTS in record.files and not os.path.lexists(folder / WEIGHTS)


def read_record(folder: Path, name: str | None = None) -> JobRecord:
    """Returns the record of the job in a folder, or in one that is to have another name.

    Raises:
        Damaged: It is none, or another job's.
        OSError: It cannot be read.
    """
    value = read_json(folder / RECORD)
    match value:
        case {"key": str(key), "spec": dict(spec), "files": dict(files)}:
            check_whole(value)
        case {"key": str(), "spec": dict()}:
            raise Damaged("it lists no sums of its files, as a version of before did not")
        case _:
            raise Damaged("it is no record of a job")
    if key_of(spec) != key:
        raise Damaged("its spec does not give its key")
    if short(key) != (name or folder.name):
        raise Damaged(f"it is the record of job {short(key)}")
    return JobRecord(key=key, spec=spec, files=checked_sums(files))


def check_whole(value: dict[str, Any]) -> None:
    """Takes a record's own checksum out of it; raises Damaged unless it is that of the rest."""
    digest = value.pop("sha256", None)
    try:
        found = key_of(value)
    except (ValueError, RecursionError):
        raise Damaged("it has no canonical form") from None
    if found != digest:
        raise Damaged("its contents do not match their checksum")


def checked_sums(files: Mapping[str, Any]) -> dict[str, str]:
    """Returns SHA-256 by file name; raises Damaged if it is anything else, such as a path elsewhere."""
    for name, digest in files.items():
        if not NAME.fullmatch(name) or not isinstance(digest, str) or not SHA256.fullmatch(digest):
            raise Damaged(f"{name[:80]!r} with {str(digest)[:80]!r} is no file and its SHA-256")
    return dict(files)


def damaged(path: Path, why: object, folder: Path) -> StudyError:
    """Returns the error for a file of a finished job that cannot be believed."""
    words = getattr(why, "strerror", None) or str(why)
    return StudyError(
        f"{path} is damaged ({words}); delete the folder {folder} and run the same command again: only this "
        f"job runs anew, all others are kept"
    )
