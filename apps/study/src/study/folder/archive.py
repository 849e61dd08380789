"""A study as one file: to keep, to hand on, to add a method or a seed to elsewhere.

A tar of study.json, the log of looks, the jobs (with their weights, or without) and card.json, which lists
the SHA-256 of each file. Nothing in an archive is believed: names that lead elsewhere, links and devices are
refused, each job's spec must give its key, and each file its sum. What the card does not list is refused,
nothing is executed.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import shlex
import shutil
import tarfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from study.errors import StudyError, placing, writing
from study.folder.files import (
    Damaged,
    canonical_json,
    create,
    is_folder,
    json_bytes,
    open_regular,
    parse_json,
    partial_name,
    read_bytes,
    sha256_of,
    write_bytes,
)
from study.folder.job_record import MANIFEST, RECORD, WEIGHTS, damaged, read_manifest, read_record
from study.folder.looks_file import LOOKS, add_looks, read_looks
from study.folder.study_file import MARKER, check_links, read_study_file

CARD = "card.json"
FORMAT = 1
MEMBER = re.compile(rf"{MARKER}|{LOOKS}|jobs/[0-9a-f]{{16}}/[A-Za-z0-9_][A-Za-z0-9_.\-]{{0,99}}")
MAX_FILES = 2_000_000
MAX_CARD_BYTES = 2**30
# What a compressed file begins with, and what unpacks it.
_UNPACKS = {b"\xfd7zXZ\x00": "xz", b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\x28\xb5\x2f\xfd": "zstd"}


def export_study(root: Path, archive: Path, *, weights: bool = False) -> int:
    """Writes a study's finished jobs as an archive; returns how many there are.

    Raises:
        StudyError: The folder is no study's, a job is damaged, or the archive cannot be written.
    """
    if read_study_file(root) is None:
        raise StudyError(f"{root} holds no study; name the output folder of one")
    if os.path.lexists(archive):
        raise StudyError(f"{archive} exists; choose another name or move it away")
    files: dict[str, Path] = {MARKER: root / MARKER}
    if read_looks(root):
        files[LOOKS] = root / LOOKS
    jobs = names_in(root / "jobs")
    for name in jobs:
        for file in files_of(root / "jobs" / name):
            if weights or file != WEIGHTS:
                files[f"jobs/{name}/{file}"] = root / "jobs" / name / file
    partial = archive.with_name(partial_name(archive.name))
    with writing(archive), placing(archive):
        try:
            with (
                create(partial) as out,
                tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar,
            ):
                sums = {name: sha256_of(path) for name, path in files.items()}
                card = {"fvm_archive": FORMAT, "fvm_study": version("fvm-study"), "weights": weights}
                _add(tar, CARD, json_bytes({**card, "jobs": len(jobs), "files": sums}))
                for name, path in files.items():
                    data = read_bytes(path)
                    if hashlib.sha256(data).hexdigest() != sums[name]:
                        raise StudyError(f"{path} changed while it was read; run the same command again")
                    _add(tar, name, data)
            os.rename(partial, archive)
        except Damaged as error:
            raise StudyError(f"{archive} was not written: {error}") from None
        finally:
            partial.unlink(missing_ok=True)
    return len(jobs)


def names_in(folder: Path) -> list[str]:
    """Returns what lies in a folder, in order; nothing if there is none."""
    return sorted(entry.name for entry in os.scandir(folder)) if is_folder(folder) else []


def files_of(folder: Path) -> list[str]:
    """Returns the names of a finished job's files, once all match its record.

    Raises:
        StudyError: One is damaged.
    """
    try:
        record, (_, sums) = read_record(folder), read_manifest(folder)
        for name, digest in {**record.files, **sums}.items():
            if (
                not (name == WEIGHTS and not os.path.lexists(folder / name))
                and sha256_of(folder / name) != digest
            ):
                raise Damaged(f"{name} does not match its SHA-256 in the job's record")
    except (OSError, Damaged) as error:
        words = getattr(error, "strerror", None) or str(error)
        raise StudyError(
            f"{folder} is damaged ({words}); delete the folder, run the study again, then export it"
        ) from None
    present = {name for name in (*record.files, *sums) if os.path.lexists(folder / name)}
    return sorted({*present, RECORD, MANIFEST})


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), 0o644
    tar.addfile(info, io.BytesIO(data))


def import_study(archive: Path, root: Path) -> tuple[int, int]:
    """Puts an archive's jobs into a folder, new or of the same study; returns how many came and were there.

    All is unpacked and checked beside its place first: a damaged archive changes nothing.

    Raises:
        StudyError: The archive is none or damaged, or the folder holds another study.
    """
    stage = root / partial_name("import")
    try:
        existed = root.exists()
        with writing(root), placing(root):
            stage.mkdir(parents=True)
        try:
            _unpack(archive, stage)
            theirs = _study_of(stage)
            names = (
                sorted(entry.name for entry in os.scandir(stage / "jobs"))
                if is_folder(stage / "jobs")
                else []
            )
            for name in names:
                _check_job(stage / "jobs" / name)
            looks = _looks_of(stage)
            _merge(root, theirs)
            add_looks(root, looks)
            return _move(stage, root, names)
        finally:
            shutil.rmtree(stage, ignore_errors=True)
            if not existed and root.exists() and not any(root.iterdir()):
                root.rmdir()
    except (Damaged, tarfile.TarError, EOFError) as error:
        raise StudyError(f"{archive} is damaged ({error}); nothing was imported") from None
    except FileNotFoundError:
        raise StudyError(f"there is no archive {archive}; name one that `study export` wrote") from None
    except IsADirectoryError:
        raise StudyError(f"{archive} is a folder; name a file that `study export` wrote") from None


def _unpack(archive: Path, stage: Path) -> None:
    if archive.is_dir():
        raise IsADirectoryError
    with open_regular(archive.resolve()) as file:  # a pipe would never answer
        begins = file.read(max(map(len, _UNPACKS)))
    for magic, command in _UNPACKS.items():
        if begins.startswith(magic):
            unpacked = f"{command} -dc -- {shlex.quote(str(archive))} > study.tar"
            raise StudyError(f"{archive} is compressed; unpack it by `{unpacked}`, then import study.tar")
    with (
        open_regular(archive.resolve()) as file,
        tarfile.open(fileobj=file, mode="r:") as tar,
    ):  # no compression: no bombs
        first = tar.next()
        if first is None or first.name != CARD or not first.isreg() or first.size > MAX_CARD_BYTES:
            raise Damaged("it does not begin with its card")
        card = parse_json(_content(tar, first))
        match card:
            case {"fvm_archive": int(found)} if found != FORMAT:
                raise Damaged(f"format {found}, this program reads {FORMAT}")
            case {"fvm_archive": int(), "files": dict(listed)} if len(listed) <= MAX_FILES:
                pass
            case _:
                raise Damaged("its card lists no files")
        left: dict[str, Any] = dict(listed)
        while (member := tar.next()) is not None:
            digest = left.pop(member.name, None)
            if not member.isreg() or not MEMBER.fullmatch(member.name) or digest is None:
                raise Damaged(f"{member.name[:100]!r} is no file of a study that its card lists")
            data = _content(tar, member)
            if hashlib.sha256(data).hexdigest() != digest:
                raise Damaged(f"{member.name} does not match its SHA-256")
            path = stage / member.name
            with writing(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                with create(path) as out:
                    out.write(data)
        if left:
            raise Damaged(f"it lacks {min(left)[:100]}")


def _study_of(stage: Path) -> dict[str, Any]:
    """Returns what an unpacked archive's study.json holds.

    Raises:
        Damaged: There is none, or it is no study's.
    """
    try:
        if read_study_file(stage) is None:
            raise Damaged(f"it lacks {MARKER}")
    except StudyError:
        raise Damaged(f"its {MARKER} is not a study's, or of another version of this program") from None
    theirs: dict[str, Any] = parse_json(read_bytes(stage / MARKER))
    return theirs


def _looks_of(stage: Path) -> list[dict[str, Any]]:
    try:
        return read_looks(stage)
    except StudyError:
        raise Damaged(f"its {LOOKS} is no log of looks") from None


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    data = file.read() if file is not None else b""
    if len(data) != member.size:
        raise Damaged(f"{member.name[:100]} is cut short")
    return data


def _check_job(folder: Path) -> None:
    """Raises Damaged unless a job is what its record says; its weights may be absent."""
    try:
        record, (_, sums) = read_record(folder), read_manifest(folder)
        listed = {**record.files, **sums}
        for name, digest in listed.items():
            absent = name == WEIGHTS and not os.path.lexists(folder / name)
            if not absent and sha256_of(folder / name) != digest:
                raise Damaged(f"jobs/{folder.name}/{name} does not match its SHA-256 in the job's record")
        extra = {entry.name for entry in os.scandir(folder)} - {*listed, RECORD, MANIFEST}
    except OSError as error:
        raise Damaged(f"jobs/{folder.name}: {error.strerror}") from None
    if extra:
        raise Damaged(f"jobs/{folder.name}/{min(extra)} is not in the job's record")


def _merge(root: Path, theirs: Mapping[str, Any]) -> None:
    """Writes study.json, with the splits of both; what was recorded first stays.

    Raises:
        StudyError: The folder holds another study, or something else.
    """
    mine = read_study_file(root)
    if mine is None:
        others = sorted(p.name for p in root.iterdir() if not p.name.startswith("."))
        if others:
            raise StudyError(f"{root} is not empty and holds no study (it has {others[0]!r}); choose another")
        write_bytes(root / MARKER, json_bytes(theirs))
        return
    check_links(root)
    if canonical_json(mine.identity) != canonical_json(theirs["identity"]):
        differ = {*mine.identity, *theirs["identity"]}
        names = sorted(k for k in differ if mine.identity.get(k) != theirs["identity"].get(k))
        raise StudyError(
            f"{root} holds another study (it differs in {', '.join(names)}); choose another folder"
        )
    value = parse_json(read_bytes(root / MARKER))
    value["splits"] = {**theirs.get("splits", {}), **mine.splits}
    write_bytes(root / MARKER, json_bytes(value))


def _move(stage: Path, root: Path, names: list[str]) -> tuple[int, int]:
    came = there = 0
    with writing(root / "jobs"):
        (root / "jobs").mkdir(exist_ok=True)
        for name in names:
            place = root / "jobs" / name
            if is_folder(place):
                there += 1
                brought = stage / "jobs" / name / WEIGHTS
                if brought.exists() and not os.path.lexists(place / WEIGHTS) and _same(place, brought.parent):
                    os.rename(brought, place / WEIGHTS)  # what a light archive had left out
                continue
            os.rename(stage / "jobs" / name, place)
            came += 1
    return came, there


def _same(mine: Path, theirs: Path) -> bool:
    """Whether two folders have the same job with the same results; raises StudyError if mine is damaged."""
    try:
        return read_record(mine) == read_record(theirs, mine.name)
    except (Damaged, OSError) as error:  # theirs was checked
        raise damaged(mine / RECORD, error, mine) from None
