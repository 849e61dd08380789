"""Plug-ins: modules and files that register benchmarks, learners, methods, measures and claims.

Only the command line, `run`'s options and installed packages (entry points `fvm_study.plugins`) name what is
loaded, in every process anew; a study's folder records names and hashes, and nothing ever loads from there.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from traceback import walk_tb
from typing import TYPE_CHECKING, Any

from study.errors import StudyError, cut, refused
from study.identity import OURS, module_of, source_hash
from study.registry import registered

if TYPE_CHECKING:
    from study.plan import Job

GROUP = "fvm_study.plugins"


@dataclass(frozen=True)
class Plugin:
    """A plug-in of this process: what it is called without folders, and the hash of its source."""

    name: str
    source: str


_loaded: dict[str, Plugin] = {}  # by module
_given: dict[str, None] = {}  # as they were named, files by their whole paths


def load(names: Sequence[str] = ()) -> None:
    """Loads installed plug-ins and those named, each once in this process.

    Args:
        names: Modules, as `import` takes them, or paths of Python files.

    Raises:
        StudyError: There is no such module or file, or it fails.
    """
    registered()  # the built-in ones first: a plug-in may look at them, and cannot take their names
    for point in entry_points(group=GROUP):
        if point.module not in _loaded:
            with loading(f"{point.value} (entry point {point.name})"):
                point.load()
                _loaded[point.module] = Plugin(point.module, source_hash(point.module))
    if names and "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))  # as `python -m` would find modules there
    for name in names:
        if not name or (name.startswith(".") and not is_file(name)):
            raise StudyError(f"--plugin {name!r} is neither a module nor a file; name one, such as poles.py")
        file = Path(name) if is_file(name) else None
        if file is not None and not file.is_file():
            raise StudyError(f"--plugin {name}: there is no such file")
        with loading(name):
            module = name if file is None else module_of_file(file)
            if module not in _loaded:
                import_file(file, module) if file is not None else importlib.import_module(module)
                _loaded[module] = Plugin(name if file is None else file.name, source_hash(module))
        _given[name if file is None else str(file.resolve())] = None


@contextmanager
def loading(name: str) -> Iterator[None]:
    """While open, a plug-in is loaded; what it raises becomes one sentence.

    Raises:
        StudyError: It fails.
    """
    try:
        yield
    except StudyError:
        raise
    except (Exception, SystemExit) as error:
        reason = " ".join(str(error).split()) or "no reason is given"
        if place := line_of_a_stranger(error):
            reason += f" ({place})"
        raise StudyError(f"the plug-in {name} cannot be loaded: {type(error).__name__}: {reason}") from error


def loaded() -> dict[str, str]:
    """Returns the hash of the source of every plug-in of this process, by its name without folders."""
    return {plugin.name: plugin.source for plugin in _loaded.values()}


def check_known(job: Job) -> None:
    """Holds what a job is made of against the records of this process.

    Raises:
        StudyError: One of them is not known here.
    """
    known, spec = registered(), job.spec
    named: list[tuple[str, str, Mapping[str, Any]]] = [
        ("benchmark", spec.get("benchmark", ""), known.benchmarks),
        ("method", spec.get("paradigm", ""), known.methods),
        ("learner", next(iter(spec.get("phase", {}).get("learner", [""]))), known.learners),
        *(("retention", name, known.retentions) for name in spec.get("retain", {})),
        *(("measure", name, known.measures) for name in (spec.get("measure", ""), *spec.get("measures", {}))),
    ]
    for what, name, records in named:
        if name and name not in records:
            raise StudyError(
                f"{job.title} is of a {what} {name!r}, which is not known here; name its plug-in (--plugin)"
            )


def check_same(recorded: Mapping[str, Any]) -> None:
    """Raises StudyError if a plug-in of this process has another source than a study's of the same name."""
    for name, source in loaded().items():
        if recorded.get(name, source) != source:
            raise StudyError(
                f"the study runs with another {name} than the one here; give each worker the same file, or "
                "run the study's own command again with this one"
            )


def in_a_sentence(error: BaseException) -> str:
    """Returns an error's words in one line.

    With its type, unless one of our packages raised it on purpose, and with the line of a plug-in in which it
    arose.
    """
    words, place = cut(" ".join(str(error).split())), line_in_a_plugin(error)
    if not words or not refused(error):
        words = f"{type(error).__name__}: {words}".removesuffix(": ")
    return f"{words} ({place})" if place and place not in words else words


def line_in_a_plugin(error: BaseException) -> str:
    """Returns a plug-in's innermost line that an error came through, as "poles.py, line 7"; else nothing."""
    tops = {module.partition(".")[0] for module in _loaded}
    lines = [
        f"{Path(frame.f_code.co_filename).name}, line {line}"
        for frame, line in walk_tb(error.__traceback__)
        if str(frame.f_globals.get("__name__")).partition(".")[0] in tops
    ]
    return lines[-1] if lines else ""


def line_of_a_stranger(error: BaseException) -> str:
    """Returns the innermost line that an error came through of what is nobody's package, as a place.

    That is a plug-in that is being loaded, or what lies beside it: what is installed, ours, or Python's own
    is left out.
    """
    packages = tuple(sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib"))
    lines = [
        f"{Path(file).name}, line {line}"
        for frame, line in walk_tb(error.__traceback__)
        if Path(file := frame.f_code.co_filename).is_file()
        and not file.startswith(packages)
        and str(frame.f_globals.get("__name__")).partition(".")[0] not in OURS
    ]
    return lines[-1] if lines else ""


def named(thing: Any) -> str:
    """Returns a method's or class's name, of a plug-in's with its place: "Near.adapt (near.py, line 27)"."""
    if module_of(thing).partition(".")[0] in OURS:
        return str(thing.__qualname__)
    try:
        lines, file = inspect.getsourcelines(thing), inspect.getsourcefile(thing)
    except (OSError, TypeError):  # it was typed in
        return str(thing.__qualname__)
    return f"{thing.__qualname__} ({Path(file or '').name}, line {lines[1]})"


def given() -> tuple[str, ...]:
    """Returns what was named here, for `load` in another process of this machine."""
    return tuple(_given)


def is_file(name: str) -> bool:
    """Whether a plug-in is named by its path, not as a module."""
    return name.endswith(".py") or "/" in name


def module_of_file(path: Path) -> str:
    """Returns the name under which a file is loaded: the one that `import` finds it by, if there is one.

    So a file that other plug-ins or the script import as well is the same module, and registers once.
    """
    path = path.resolve()
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and Path(file).name == path.name and Path(file).resolve() == path:
            return name
    parts, folder = [path.stem], path.parent
    while (folder / "__init__.py").is_file():
        parts.insert(0, folder.name)
        folder = folder.parent
    name = ".".join(parts)
    with suppress(ImportError, ValueError, AttributeError):
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin is not None and Path(spec.origin).resolve() == path:
            return name
    return f"fvm_plugin_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"


def import_file(path: Path, name: str) -> None:
    """Loads a file as the module of a name that `module_of_file` has found.

    Raises:
        ImportError: It is no Python file.
        Exception: Whatever its own code raises.
    """
    if name in sys.modules:
        return
    if not name.startswith("fvm_plugin_"):
        importlib.import_module(name)
        return
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError("it is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
