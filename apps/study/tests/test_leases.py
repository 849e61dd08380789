"""Leases: one holder at a time, whatever the clocks say; dead ones are seen, lost ones noticed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from study.folder import lease


def test_only_one_has_a_lease(tmp_path: Path) -> None:
    path = tmp_path / "x.lease"
    mine = lease.take(path)
    assert mine is not None
    assert lease.take(path) is None
    mine.release()
    assert not path.exists()
    again = lease.take(path)
    assert again is not None
    again.release()


def test_of_many_takers_of_a_stale_lease_one_succeeds(tmp_path: Path) -> None:
    path = tmp_path / "x.lease"
    path.write_text(json.dumps({"token": "old", "place": "another host", "pid": 1, "started": "1"}))
    os.utime(path, (time.time() - 3600, time.time() - 3600))
    taken: list[lease.Lease] = []
    start = threading.Barrier(8)

    def race() -> None:
        start.wait()
        if (found := lease.take(path)) is not None:
            taken.append(found)

    threads = [threading.Thread(target=race) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 1
    assert lease.holder(path)["token"] == taken[0].token
    taken[0].release()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("clock_s", [-7200.0, -120.0, 120.0, 7200.0])
def test_clocks_apart_make_no_lease_stale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock_s: float
) -> None:
    path = tmp_path / "x.lease"
    path.write_text(json.dumps({"token": "theirs", "place": "another host", "pid": 1, "started": "1"}))
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + clock_s)  # this host's; the file server has its own
    assert not lease.is_stale(path)
    assert lease.take(path) is None
    os.utime(path, (now - 61, now - 61))  # not touched for a minute of the file server's
    assert lease.is_stale(path)


def test_a_holder_that_is_dead_here_is_seen_at_once(tmp_path: Path) -> None:
    path = tmp_path / "x.lease"
    code = (
        "import sys, os; from pathlib import Path; from study.folder import lease; "
        "lease.take(Path(sys.argv[1])); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=False, timeout=60)
    assert path.exists()
    assert lease.is_stale(path)
    mine = lease.take(path)
    assert mine is not None
    mine.release()


def test_a_lease_is_kept_young_and_a_lost_one_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "BEAT_S", 0.02)
    path = tmp_path / "x.lease"
    mine = lease.take(path)
    assert mine is not None
    os.utime(path, (1, 1))
    while path.stat().st_mtime < 1000:
        time.sleep(0.01)
    path.write_text(json.dumps({"token": "another"}))
    assert mine.lost.wait(10)
    mine.release()
    assert json.loads(path.read_text()) == {"token": "another"}  # it is theirs now
