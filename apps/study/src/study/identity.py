"""What makes a result the same one again: versions of what computes it, and the fields that decide it."""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

OURS = ("fvm_envs", "fvm_learners", "fvm_meta", "fvm_eval", "study")


def fields_of(value: Any) -> Any:
    """Returns a config as JSON, without fields that were added later and have their default.

    A field with `metadata={"since": n}` is one that came with version n of its package: while it has its
    default, jobs are those of before. The default of such a field changes only with a version.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: fields_of(getattr(value, f.name)) for f in fields(value) if not _as_before(f, value)}
    if isinstance(value, Mapping):
        return {key: fields_of(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [fields_of(item) for item in value]
    return value


def _as_before(field: Field[Any], config: Any) -> bool:
    if "since" not in field.metadata:
        return False
    default = field.default_factory() if field.default_factory is not MISSING else field.default
    return bool(getattr(config, field.name) == default)


def check_kept(value: Any, what: str) -> None:
    """Raises TypeError for a part of a config that a file would not give back as it is."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            check_kept(item, f"{what}.{key}")
    elif isinstance(value, list | tuple):
        for item in value:
            check_kept(item, what)
    elif type(value) not in (str, bool, int, float, type(None)):
        raise TypeError(
            f"{what} is {value!r}, a {type(value).__name__}; a study keeps numbers, text, True, False, None, "
            "and tuples and dicts of them: give one of those"
        )


def version_of(thing: Any, declared: int | None = None) -> int | str:
    """Returns the version of a class or function that computes results: the declared one, or a hash.

    What a plug-in makes and gives no version is as new as its source: changed code never meets an old
    result. A version that a class inherits says nothing of what the class adds.

    Args:
        thing: A class, whose own `version` counts, or a function.
        declared: The version of the record that names it.

    Raises:
        ValueError: No version is declared, and the source cannot be read.
    """
    own = vars(thing).get("version") if isinstance(thing, type) else None
    if declared is None:
        declared = own
    if declared is not None:
        if type(declared) is not int:
            raise ValueError(f"the version of {thing.__qualname__} is {declared!r}; give a whole number")
        return declared
    if module_of(thing).partition(".")[0] in OURS:
        return int(getattr(thing, "version", 1)) if isinstance(thing, type) else 1
    inherited = getattr(thing, "version", None)
    return source_hash(module_of(thing)) + (f"+{inherited}" if inherited is not None else "")


def module_of(thing: Any) -> str:
    """Returns the name of the module in which a class or function is written."""
    while isinstance(thing, partial):
        thing = thing.func
    return str(getattr(thing, "__module__", None) or type(thing).__module__)


@cache
def source_hash(module: str) -> str:
    """Returns the SHA-256 of the code of a module's whole package: syntax trees without docstrings.

    Comments, blanks and docstrings do not count.

    Raises:
        ValueError: The source cannot be read.
    """
    digest = hashlib.sha256()
    for path in sources(module):
        digest.update(path.name.encode() + b"\0" + ast.dump(_without_docstrings(path)).encode())
    return digest.hexdigest()


def sources(module: str) -> list[Path]:
    """Returns the Python files of the package that a module is in; a module's own where it stands alone.

    A module of `study` stands alone: the app's other modules do not compute results.

    Raises:
        ValueError: There are none: it was typed in, for instance.
    """
    top = sys.modules.get(module if module.startswith("study.") else module.partition(".")[0])
    file = getattr(top, "__file__", None) or getattr(sys.modules.get(module), "__file__", None)
    folders = list(getattr(top, "__path__", []))
    if folders:
        return sorted(path for folder in folders for path in Path(folder).rglob("*.py"))
    if file is None or not Path(file).is_file():
        raise ValueError(
            f"the source of {module} cannot be read, so its results have no version; declare `version` on "
            "what it registers, or put it into a file"
        )
    return [Path(file)]


def _without_docstrings(path: Path) -> ast.Module:
    tree = ast.parse(path.read_bytes())
    left: list[ast.AST] = [tree]
    while left:  # statements alone: no expression holds a docstring
        node = left.pop()
        if (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and node.body
            and isinstance(node.body[0], ast.Expr)
            and isinstance(node.body[0].value, ast.Constant)
            and isinstance(node.body[0].value.value, str)
        ):
            node.body = node.body[1:]
        for block in ("body", "orelse", "finalbody", "handlers", "cases"):
            left += getattr(node, block, ())
    return tree
