"""Plug-ins: modules and files that register benchmarks, learners, methods, measures and claims.

Only the command line, `run`'s options and installed packages (entry points `fvm_study.plugins`) name what is
loaded, in every process anew; a study's folder records names and hashes, and nothing ever loads from there.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Sequence
from importlib.metadata import entry_points
from pathlib import Path

from study.errors import StudyError
from study.identity import source_hash
from study.registry import registered

GROUP = "fvm_study.plugins"
_loaded: dict[str, str] = {}  # hashes by name


def load(names: Sequence[str] = ()) -> None:
    """Loads installed plug-ins and those named, each once in this process.

    Args:
        names: Modules, as `import` takes them, or paths of Python files.

    Raises:
        StudyError: There is no such module or file, or it fails.
    """
    registered()  # the built-in ones first: a plug-in may look at them, and cannot take their names
    for point in entry_points(group=GROUP):
        if point.value not in _loaded:
            try:
                point.load()
            except Exception as error:
                raise _failed(f"{point.value} (entry point {point.name})", error) from error
            _loaded[point.value] = source_hash(point.module)
    for name in names:
        key = str(Path(name).resolve()) if is_file(name) else name
        if key not in _loaded:
            try:
                module = _import_file(Path(name)) if is_file(name) else _import_module(name)
            except StudyError:
                raise
            except Exception as error:
                raise _failed(name, error) from error
            _loaded[key] = source_hash(module)


def loaded() -> dict[str, str]:
    """Returns the hash of the source of every plug-in of this process, by its name without folders."""
    return {Path(name).name if is_file(name) else name: digest for name, digest in _loaded.items()}


def is_file(name: str) -> bool:
    """Whether a plug-in is named by its path, not as a module."""
    return name.endswith(".py") or "/" in name


def brought() -> dict[str, list[str]]:
    """Returns the names of all records that plug-ins have registered, by kind."""
    from study.builtin import BUILT_IN

    found: dict[str, list[str]] = {}
    for kind, records in vars(registered()).items():
        if names := [name for name in records if name not in BUILT_IN[kind]]:
            found[kind] = names
    return found


def _import_module(name: str) -> str:
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))  # as `python -m` would find it
    importlib.import_module(name)
    return name


def _import_file(path: Path) -> str:
    if not path.is_file():
        raise StudyError(f"--plugin {path}: there is no such file")
    stem = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]
    name = f"fvm_plugin_{path.stem}_{stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise StudyError(f"--plugin {path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return name


def _failed(name: str, error: Exception) -> StudyError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return StudyError(f"the plug-in {name} cannot be loaded: {type(error).__name__}: {reason}")
