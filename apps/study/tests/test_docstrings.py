"""Docstrings in one dialect: each begins with a sentence, and so does what is said of each argument."""

import ast
import re
from pathlib import Path

import pytest
import study

SOURCE = Path(study.__file__).parent
MODULES = sorted(SOURCE.rglob("*.py"))
ARGUMENT = re.compile(r"^ {4}\**\w+: ([a-z]\w)")


def docstrings(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            text = ast.get_docstring(node)
            if text is not None:
                yield getattr(node, "name", "module"), text


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_first_lines_and_arguments_are_sentences(path):
    assert ast.get_docstring(ast.parse(path.read_text())), "a module says what it is"
    for name, text in docstrings(path):
        first = text.split("\n\n")[0].strip()
        assert first[0].isupper() or first[0] == "`", f"{name}: {first!r} begins with no capital letter"
        assert first[-1] in ".:", f"{name}: {first!r} ends with no full stop"
        section = ""
        for line in text.splitlines():
            if line in ("Args:", "Attributes:"):
                section = line
            elif line and not line.startswith(" "):
                section = ""
            found = ARGUMENT.match(line) if section else None
            assert not found, f"{name}: {line.strip()!r} begins with no capital letter"
