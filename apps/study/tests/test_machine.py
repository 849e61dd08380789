from __future__ import annotations

import ctypes
import os
import weakref
from pathlib import Path
from typing import Any

import psutil
import pytest
from study.machine.limits import cores, give_back_memory, memory_bytes


def group(tmp_path: Path, name: str, **files: str) -> None:
    folder = tmp_path / "groups" / name
    folder.mkdir(parents=True, exist_ok=True)
    for file, text in files.items():
        (folder / file.replace("__", ".")).write_text(text + "\n")


def mine(tmp_path: Path, text: str) -> tuple[Path, Path]:
    (tmp_path / "mine").write_text(text)
    (tmp_path / "groups").mkdir(exist_ok=True)
    return tmp_path / "groups", tmp_path / "mine"


@pytest.fixture(autouse=True)
def eight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))


@pytest.mark.parametrize(
    ("quota", "expected"),
    [("max 100000", 8), ("250000 100000", 2), ("50000 100000", 1), ("junk", 8), ("", 8)],
)
def test_a_quota_of_version_2_counts(tmp_path: Path, quota: str, expected: int) -> None:
    group(tmp_path, "a/b", cpu__max=quota)
    assert cores(*mine(tmp_path, "0::/a/b\n")) == expected


def test_so_does_the_least_of_those_around_it(tmp_path: Path) -> None:
    group(tmp_path, "a", cpu__max="300000 100000")
    group(tmp_path, "a/b", cpu__max="max 100000", memory__max="1000")
    group(tmp_path, ".", memory__max="max")
    places = mine(tmp_path, "0::/a/b\n")
    assert cores(*places) == 3
    assert memory_bytes(*places) == 1000


def test_a_quota_of_version_1_counts(tmp_path: Path) -> None:
    group(tmp_path, "cpu,cpuacct/box", cpu__cfs_quota_us="400000", cpu__cfs_period_us="100000")
    group(tmp_path, "cpu,cpuacct", cpu__cfs_quota_us="-1", cpu__cfs_period_us="100000")
    group(tmp_path, "memory/box", memory__limit_in_bytes="2000")
    places = mine(tmp_path, "5:memory:/box\n4:cpu,cpuacct:/box\n1:name=systemd:/x\n")
    assert cores(*places) == 4
    assert memory_bytes(*places) == 2000


def test_without_groups_all_that_is_allowed_counts(tmp_path: Path) -> None:
    assert cores(tmp_path / "none", tmp_path / "nothing") == 8
    assert memory_bytes(tmp_path / "none", tmp_path / "nothing") == psutil.virtual_memory().total


class Circle:
    """Something that nobody else knows."""

    def __init__(self) -> None:
        self.itself = self


@pytest.mark.parametrize("c_library", [ctypes.CDLL(None), object()], ids=["this one", "one that cannot trim"])
def test_what_only_knows_itself_is_given_back(c_library: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: c_library)
    gone = weakref.ref(Circle())
    give_back_memory()
    assert gone() is None
