"""Run in a fresh environment: `python alone.py PACKAGE NEEDED... --without ABSENT...`.

Fails unless the package and what it needs of ours are installed wheels with their `py.typed`, and the absent
modules cannot be imported.
"""

import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

split = sys.argv.index("--without")
present, absent = sys.argv[1:split], sys.argv[split + 1 :]
for module in present:
    spec = find_spec(module)
    assert getattr(spec, "origin", None), f"{module} is not installed"
    origin = Path(spec.origin).resolve()
    assert origin.is_relative_to(Path(sys.prefix).resolve()), f"{module} is {origin}, not the wheel's"
    assert origin.with_name("py.typed").exists(), f"the wheel of {module} has no py.typed"
for module in absent:
    assert find_spec(module) is None, f"{module} is importable: {present[0]} would not be alone"
import_module(present[0])
print(f"{present[0]} is alone" + (f" with {', '.join(present[1:])}" if present[1:] else ""))
