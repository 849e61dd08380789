"""What ran a job but must not change its results: device, versions of packages, hashes of sources."""

from __future__ import annotations

import platform
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from study.folder.store import Store
from study.identity import module_of, source_hash
from study.learners import read_spec
from study.plan import Job
from study.registry import registered


@cache
def device_name(device: str) -> str:
    """Returns what the device is called by its maker; of a CPU without a name its kind, as in "x86_64"."""
    if device == "cpu":
        return cpu_model() or platform.processor() or platform.machine()
    return str(torch.cuda.get_device_name(device))


def cpu_model(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Returns the CPU's model; empty where Linux does not say, as on ARM, or the system is another."""
    with suppress(OSError, UnicodeDecodeError):
        for line in cpuinfo.read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return ""


def manifest(device: str, job: Job) -> dict[str, Any]:
    """Returns what ran a job but must not change its results."""
    packages = (
        "torch",
        "numpy",
        "gymnasium",
        "procgen-mirror",
        "fvm-envs",
        "fvm-learners",
        "fvm-meta",
        "fvm-eval",
    )
    versions = {}
    for package in packages:
        with suppress(PackageNotFoundError):
            versions[package] = version(package)
    return {
        "python": platform.python_version(),
        "device": device_name(device),
        "packages": versions,
        "sources": sources_of(job),
    }


def sources_of(job: Job) -> dict[str, str]:
    """Returns the hashes of the sources that compute a job's results here, by package or plug-in.

    Of fvm's packages each is one source; of `study` only what the job's measure is written in.
    """
    spec, known = job.spec, registered()
    things: list[Any] = []
    if "benchmark" in spec:
        things.append(known.benchmarks[spec["benchmark"]].suite.make)
    if "phase" in spec:
        learner, _ = read_spec(spec["phase"])
        things += [learner.made_by, known.methods[spec["paradigm"]].made_by(learner)]
    things += [known.measures[name].play for name in (*spec.get("measures", {}), spec.get("measure")) if name]
    return {name_of(thing): source_hash(module_of(thing)) for thing in things}


def name_of(thing: Any) -> str:
    """Returns what a source is called: its package, a plug-in's file wherever it lies, a measure's module."""
    module = module_of(thing)
    if module.startswith("study."):
        return module
    top = module.partition(".")[0]
    alone = not hasattr(sys.modules.get(top), "__path__")
    return Path(str(getattr(sys.modules.get(module), "__file__", top))).name if alone else top


def changed_sources(jobs: Sequence[Job], store: Store) -> dict[str, int]:
    """Returns by source how many finished jobs were computed by another than the one here."""
    changed: Counter[str] = Counter()
    for job in jobs:
        here, then = sources_of(job), store.manifest(job).get("sources", {})
        changed.update(name for name, digest in here.items() if then.get(name, digest) != digest)
    return dict(sorted(changed.items()))
