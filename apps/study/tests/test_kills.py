"""Workers killed at random moments, on machines whose clocks differ and that see files late."""

from __future__ import annotations

import glob
import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).with_name("kills.py")


def test_five_kills_lose_and_double_nothing() -> None:
    shown = subprocess.run(
        [sys.executable, str(SCRIPT), "--kills", "5"], capture_output=True, text=True, timeout=600
    )
    assert shown.returncode == 0, f"{shown.stdout}\n{shown.stderr}"
    found = json.loads(shown.stdout)
    assert (found["kills"], found["lost"], found["doubled_or_changed"], found["leases_left"]) == (5, 0, 0, 0)
    if glob.glob("/usr/lib/*/faketime/libfaketime.so.1"):
        assert found["clocks_s"] == [-120, 120]
