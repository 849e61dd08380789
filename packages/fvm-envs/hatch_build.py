"""Puts Procgen's shared library and pictures into the wheel, so that nothing that its own wheel asks for is.

procgen-mirror's wheel asks for numpy 1, the dead gym, gym3 and ten packages more; our binding needs its
`data` folder and the libraries beside it alone. It is a requirement of the build, which has an environment
of its own, so what it drags in stays there. Where no such wheel exists a pure one is built, whose Procgen
environments say what is missing. An editable install reads an installed procgen-mirror, as the workspace's.
"""

from __future__ import annotations

import importlib.metadata
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

MIRROR = "procgen-mirror"


class CarryProcgen(BuildHookInterface):  # type: ignore[type-arg]
    """Adds the files, the licence and the platform's tag to a wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Extend what hatchling packs."""
        if version == "editable":
            return
        try:
            files = importlib.metadata.files(MIRROR) or []
        except importlib.metadata.PackageNotFoundError:
            return
        for file in files:
            parts = file.parts
            if parts[:2] == ("procgen", "data"):
                inside = ("fvm_envs", "procgen", *parts[1:])
            elif parts[0] == "procgen_mirror.libs":  # where the library looks for it: three folders up
                inside = ("fvm_envs", *parts)
            elif parts[0].endswith(".dist-info") and parts[-1] == "LICENSE":
                inside = ("fvm_envs", "procgen", "data", "LICENSE")
            else:
                continue
            build_data["force_include"][str(file.locate())] = "/".join(inside)
        build_data["pure_python"] = False
        # The library has a C interface: any Python will do.
        build_data["tag"] = "py3-none-manylinux_2_17_x86_64"
