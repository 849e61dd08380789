"""Who may run a study's jobs, by the names that `--engine` takes."""

from __future__ import annotations

from study.engines.processes import Processes
from study.engines.ray_workers import RayWorkers
from study.registry import Launcher

LAUNCHERS = (
    Launcher(name="local", about="processes of this machine", start=Processes, here=True),
    Launcher(name="ray", about="tasks on a Ray cluster whose nodes see the output folder", start=RayWorkers),
    Launcher(name="folder", about="`study work FOLDER` on any machine that sees the output folder"),
)
