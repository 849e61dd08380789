# Not `tests/rlbench`: pytest would make that a module of the name that is looked for.
import sys
from pathlib import Path

import pytest


@pytest.fixture
def standin(monkeypatch, tmp_path):
    """The stand-in on the path, of processes that are spawned as well."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "standin"))
    monkeypatch.setenv("COPPELIASIM_ROOT", str(tmp_path))
    yield
    for name in [name for name in sys.modules if name.split(".")[0] in ("rlbench", "pyrep")]:
        if "standin" in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]
