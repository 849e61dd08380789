"""Finished jobs of other studies, found by key: the same job is the same wherever it ran."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from study.errors import StudyError, writing
from study.folder.files import Damaged, canonical_json, create, is_folder, partial_name, read_bytes, sha256_of
from study.folder.job_record import (
    MANIFEST,
    RECORD,
    WEIGHTS,
    JobRecord,
    lacks_weights,
    read_manifest,
    read_record,
    short,
)
from study.folder.looks_file import add_looks, read_looks
from study.folder.store import Store
from study.folder.study_file import read_study_file
from study.plan import Job

DEPTH = 3  # folders below a cache in which studies are looked for
BEFORE = "before-"  # what --fresh sets aside


def take_from(store: Store, jobs: Sequence[Job], caches: Iterable[Path]) -> tuple[list[Job], list[str]]:
    """Copies what is missing from other studies; returns those jobs, and remarks on what is not taken.

    Each file is held against its SHA-256 on the way, so a job is taken whole and right, or not at all. A job
    without its weights, as from a light archive, counts as whole unless a job that is to run needs them. Of a
    folder with this same study the looks come along.

    Raises:
        StudyError: A cache is no folder, or this study's cannot be written.
    """
    missing = {short(job.key): job for job in jobs if not store.done(job)}
    taken: list[Job] = []
    remarks: list[str] = []
    light: dict[str, Path] = {}  # where jobs lie without the weights that they had

    def take(name: str, source: Path) -> None:
        try:
            copy_job(store, missing[name], source)
        except (Damaged, OSError) as error:
            remarks.append(f"{source} is not taken: {getattr(error, 'strerror', None) or error}")
        else:
            taken.append(missing.pop(name))

    for cache in caches:
        check_cache(cache)
        for folder in studies_in(cache.resolve()):
            if not missing or folder == store.root.resolve():
                continue
            if is_same_study(folder, store.root):
                add_looks(store.root, read_looks(folder))
            for entry in sorted(os.scandir(folder / "jobs"), key=lambda entry: entry.name):
                if entry.name not in missing or not entry.is_dir(follow_symlinks=False):
                    continue
                if without_weights(Path(entry.path)):
                    light[entry.name] = Path(entry.path)
                else:
                    take(entry.name, Path(entry.path))

    light = {name: source for name, source in light.items() if name in missing}
    parents = parents_of(jobs)
    for are_parents in (False, True):  # a child that is damaged is to run, and needs its parent's weights
        for name in [name for name in usable(light, missing) if (name in parents) == are_parents]:
            take(name, light.pop(name))
    if light:
        titles = ", ".join(missing[name].title for name in light)
        remarks.append(f"not taken, as jobs that are to run need weights that are not there: {titles}")
    return taken, remarks


def is_same_study(folder: Path, other: Path) -> bool:
    """Whether two folders hold one study, grown apart or not."""
    try:
        found, mine = read_study_file(folder), read_study_file(other)
    except StudyError:
        return False
    if found is None or mine is None:
        return False
    return canonical_json(found.identity) == canonical_json(mine.identity)


def parents_of(jobs: Iterable[Job]) -> set[str]:
    """Returns the short keys of the jobs whose weights others begin with."""
    return {short(job.parent.key) for job in jobs if job.parent is not None}


def usable(light: Mapping[str, Path], missing: Mapping[str, Job]) -> list[str]:
    """Returns which jobs without weights may be taken: those whose weights no job that is to run needs."""
    names = dict.fromkeys(light)
    while needed := names.keys() & parents_of(job for name, job in missing.items() if name not in names):
        names = {name: None for name in names if name not in needed}
    return list(names)


def without_weights(folder: Path) -> bool:
    """Whether a job lies there without the weights that it had."""
    try:
        return lacks_weights(read_record(folder), folder)
    except (Damaged, OSError):
        return False  # who takes it finds out


def check_cache(cache: Path) -> None:
    """Raises StudyError unless studies may lie in a folder."""
    if not cache.is_dir():
        raise StudyError(f"--cache {cache} is no folder; name one that holds studies")


def studies_in(cache: Path) -> Iterator[Path]:
    """Yields the studies in a folder: itself, or those below it; links are not followed."""
    for folder, names, _ in os.walk(cache):
        depth = len(Path(folder).relative_to(cache).parts)
        if "jobs" in names and is_folder(Path(folder, "jobs")):
            yield Path(folder)
            names.clear()
        elif depth >= DEPTH:
            names.clear()
        names.sort()


def found_in(folders: Iterable[Path], jobs: Sequence[Job]) -> set[str]:
    """Returns the keys of those jobs that lie finished in the studies in some folders; no sum is checked.

    Agents without weights that a job that is to run needs do not count: they run anew.
    """
    found = {
        entry.name: Path(entry.path)
        for folder in folders
        for study in studies_in(folder.resolve())
        for entry in os.scandir(study / "jobs")
    }
    while True:
        needed = parents_of(job for job in jobs if short(job.key) not in found)
        lacking = [name for name in needed & found.keys() if without_weights(found[name])]
        if not lacking:
            return {job.key for job in jobs if short(job.key) in found}
        for name in lacking:
            del found[name]


def copy_job(store: Store, job: Job, source: Path) -> None:
    """Files another study's job in a store, with its weights if they are there.

    Raises:
        Damaged: It is not what its record says, or another job's.
        OSError: It cannot be read.
        StudyError: The store cannot be written.
    """
    files = checked_files(source, job.key)
    if not os.path.lexists(source / WEIGHTS):
        files.pop(WEIGHTS, None)
    partial = store.workspace(job) / partial_name("finished")
    with writing(partial):
        partial.mkdir()
    try:
        for name, digest in files.items():
            data = read_bytes(source / name)
            with writing(partial / name), create(partial / name) as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            if digest is not None and sha256_of(partial / name) != digest:
                raise Damaged(f"{name} does not match its SHA-256 in the job's record")
        checked_files(partial, job.key, name=source.name)
        store.publish(job, partial)
    finally:  # the job's own checkpoint stays until the job is there
        shutil.rmtree(partial, ignore_errors=True)
    shutil.rmtree(store.workspace(job), ignore_errors=True)


def checked_files(folder: Path, key: str, name: str | None = None) -> dict[str, str | None]:
    """Returns the files that a job's record lists, with their sums; None for the records themselves."""
    record: JobRecord = read_record(folder, name)
    if record.key != key:
        raise Damaged(f"it is job {record.key}")
    _, sums = read_manifest(folder)
    return {**record.files, **sums, RECORD: None, MANIFEST: None}


def set_aside(store: Store, jobs: Iterable[Job]) -> tuple[int, Path]:
    """Moves finished jobs out of the way, so that all run anew; returns how many, and where they are.

    Raises:
        StudyError: The folder cannot be written.
    """
    number = 1
    while os.path.lexists(store.root / f"{BEFORE}{number}"):
        number += 1
    place = store.root / f"{BEFORE}{number}"
    moved = 0
    for job in jobs:
        if store.done(job):
            with writing(place):
                (place / "jobs").mkdir(parents=True, exist_ok=True)
                os.rename(store.folder(job), place / "jobs" / short(job.key))
            moved += 1
        shutil.rmtree(store.root / "running" / short(job.key), ignore_errors=True)
        store.forget(job)
    return moved, place
