"""Whether CoppeliaSim, PyRep and RLBench are installed, stage by stage, without importing them.

A broken Qt or GL ends a process by abort() or a segmentation fault, which cannot be caught: the deep probe,
which launches the simulator and renders one picture, runs in a process of its own.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PROBE_TIMEOUT_S = 60
_ROOT = "COPPELIASIM_ROOT"
_REQUIREMENTS = "pip install --no-deps -r " + str(Path(__file__).with_name("requirements.txt"))
_PROBE = """
from fvm_envs.manipulation.observation import ObservationConfig
from fvm_envs.rlbench.slot import RLBenchSlot
slot = RLBenchSlot(ObservationConfig(image_size=(16, 16)), 1, False)
slot.seed([0])
obs = slot.begin("reach_target", 0)
assert obs["front_rgb"].max() > 0, "the picture is black"
slot.close()
print("rendered")
"""


@dataclass(frozen=True)
class Stage:
    """One thing that is needed: its name, whether it is there, what was found, and what mends it."""

    name: str
    ok: bool
    found: str
    mend: str = ""


@dataclass(frozen=True)
class Installation:
    """All stages, in the order in which they are needed."""

    stages: tuple[Stage, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is missing."""
        return all(stage.ok for stage in self.stages)

    def __str__(self) -> str:
        lines = []
        for stage in self.stages:
            lines.append(f"[{'ok' if stage.ok else 'missing'}] {stage.name}: {stage.found}")
            if not stage.ok:
                lines.append(f"    {stage.mend}")
        return "\n".join(lines)


def check_installation(*, deep: bool = False, environ: Mapping[str, str] | None = None) -> Installation:
    """What is installed of what RLBench needs; prints it, with what mends what is missing.

    Args:
        deep: If all else is there, also launch the simulator and render, once a process.
        environ: Environment variables; the process's own by default.
    """
    environ = os.environ if environ is None else environ
    root = environ.get(_ROOT, "")
    stages = [_simulator(root), _library_path(root, environ), _pyrep(), _rlbench()]
    if deep and all(stage.ok for stage in stages):
        stages.append(_probe())
    installation = Installation(tuple(stages))
    print(installation)
    return installation


def _simulator(root: str) -> Stage:
    mend = (
        "install CoppeliaSim Edu 4.1.0 (that version exactly) from coppeliarobotics.com and set "
        f"{_ROOT} to its folder"
    )
    if not root:
        return Stage("CoppeliaSim", False, f"{_ROOT} is not set", mend)
    if not list(Path(root).glob("libcoppeliaSim.so*")):
        return Stage("CoppeliaSim", False, f"{_ROOT} is {root}, which holds no libcoppeliaSim.so", mend)
    return Stage("CoppeliaSim", True, root)


def _library_path(root: str, environ: Mapping[str, str]) -> Stage:
    folders = [str(Path(folder)) for folder in environ.get("LD_LIBRARY_PATH", "").split(":") if folder]
    if root and str(Path(root)) in folders:
        return Stage("LD_LIBRARY_PATH", True, "holds it")
    mend = (
        f"before Python starts: export LD_LIBRARY_PATH=$LD_LIBRARY_PATH:${_ROOT} "
        f"QT_QPA_PLATFORM_PLUGIN_PATH=${_ROOT}"
    )
    return Stage("LD_LIBRARY_PATH", False, f"does not hold {_ROOT}", mend)


def _folder_of(package: str) -> Path | None:
    """The folder of a top-level package, found without importing it."""
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return None
    locations = None if spec is None else spec.submodule_search_locations
    return Path(next(iter(locations))) if locations else None


def _pyrep() -> Stage:
    folder = _folder_of("pyrep")
    if folder is None:
        return Stage("PyRep", False, "not installed", _REQUIREMENTS)
    if not (folder / "backend").is_dir():
        return Stage(
            "PyRep",
            False,
            "the pyrep that is installed is PyPI's, another program of the same name",
            f"pip uninstall pyrep, then {_REQUIREMENTS}",
        )
    if not list((folder / "backend").glob("_sim_cffi*")):
        return Stage(
            "PyRep",
            False,
            "installed without its extension _sim_cffi",
            f"with {_ROOT} set, pip uninstall pyrep, then {_REQUIREMENTS}",
        )
    return Stage("PyRep", True, str(folder))


def _rlbench() -> Stage:
    folder = _folder_of("rlbench")
    if folder is None or not (folder / "tasks").is_dir():
        return Stage("RLBench", False, "not installed", _REQUIREMENTS)
    return Stage("RLBench", True, str(folder))


@cache
def _probe() -> Stage:
    mend = (
        "give it a display with OpenGL: xvfb-run -s '-screen 0 1280x1024x24' python ..., or an X server; "
        "docs/rlbench.md says more"
    )
    try:
        run = subprocess.run(
            [sys.executable, "-c", _PROBE], capture_output=True, text=True, timeout=PROBE_TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        return Stage("rendering", False, f"no picture within {PROBE_TIMEOUT_S} s", mend)
    if run.returncode < 0:
        return Stage("rendering", False, f"the simulator died: {signal.Signals(-run.returncode).name}", mend)
    if run.returncode:
        last = (run.stderr.strip().splitlines() or ["no message"])[-1]
        return Stage("rendering", False, last, mend)
    return Stage("rendering", True, "one picture rendered")
