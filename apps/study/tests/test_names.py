"""Nothing asks for an inhabitant by name: the sources of `study` and `fvm_meta`, read as syntax trees."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import fvm_meta
import pytest
import study
from study.registry import registered

STUDY, META = Path(str(study.__file__)).parent, Path(str(fvm_meta.__file__)).parent
# Where the built-in records are made, and what is claimed of them.
ROOMS = ("presets/", "claims/", "methods.py", "learners.py", "tuning/draws.py", "engines/launchers.py")
DEFAULTS = {("command_line/arguments.py", "local"), ("engines/schedule.py", "local")}  # of an option


def sources(root: Path) -> Iterator[tuple[str, ast.Module]]:
    """Yields the path of each source below the root, and its tree."""
    for path in sorted(root.rglob("*.py")):
        yield path.relative_to(root).as_posix(), ast.parse(path.read_bytes())


def docstrings(tree: ast.Module) -> set[int]:
    """Returns the ids of the strings that stand alone, which are docstrings."""
    return {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}


def own_name(tree: ast.Module) -> set[int]:
    """Returns the ids of the values of `name = ...` in classes: how an inhabitant is called."""
    return {
        id(node.value)
        for kind in ast.walk(tree)
        if isinstance(kind, ast.ClassDef)
        for node in kind.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name) and target.id == "name"
    }


def names() -> set[str]:
    known = registered()
    return {*known.benchmarks, *known.learners, *known.methods, *known.launchers}


@pytest.mark.parametrize("root", [STUDY, META], ids=["study", "fvm_meta"])
def test_no_source_names_a_benchmark_a_learner_a_method_or_a_launcher(root: Path) -> None:
    found = [
        (path, node.lineno, node.value)
        for path, tree in sources(root)
        if root != STUDY or not path.startswith(ROOMS)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and node.value in names()
        and id(node) not in docstrings(tree) | own_name(tree)
        and (path, node.value) not in DEFAULTS
    ]
    assert found == []


@pytest.mark.parametrize("root", [STUDY, META], ids=["study", "fvm_meta"])
def test_no_source_asks_for_the_class_of_a_learner_or_a_paradigm(root: Path) -> None:
    known = registered()
    kinds = {kind.config.__name__ for kind in known.learners.values()}
    kinds |= {kind.made_by.__name__ for kind in known.learners.values()}
    kinds |= {
        kind.made_by(one).__name__ for kind in known.methods.values() for one in known.learners.values()
    }
    asked = [
        (path, node.lineno, word.id)
        for path, tree in sources(root)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("isinstance", "issubclass", "type")
        for word in ast.walk(node)
        if isinstance(word, ast.Name) and word.id in kinds
    ]
    assert asked == []


def test_a_name_that_is_asked_for_would_be_found() -> None:
    tree = ast.parse('"""toy"""\nclass Kind: name = "toy"\nif x == "toy": pass')
    constants = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and node.value == "toy"]
    assert len([one for one in constants if id(one) not in docstrings(tree) | own_name(tree)]) == 1
