"""docs/statistics.md lists the planted violations, each under the rule that it breaks."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PLANTED = ROOT / "packages/fvm-eval/tests/fairness/test_violations.py"


def test_every_planted_violation_is_listed_once_under_its_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(PLANTED.parent))  # where it finds planting.py
    spec = importlib.util.spec_from_file_location("planted", PLANTED)
    assert spec is not None
    assert spec.loader is not None
    planted = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(planted)
    every = planted.VIOLATIONS | planted.OF_MORE_RUNS
    text = (ROOT / "docs/statistics.md").read_text()
    table = text.split("| rule | fails | cannot be checked |")[1].split("\n\n")[0]
    rows = [row.strip("| ").split(" | ") for row in table.strip().split("\n")[1:]]
    listed = [(name, int(rule)) for rule, *answers in rows for cell in answers for name in cell.split("; ")]
    found = [(name, rule) for name, (rule, _) in every.items()]
    assert sorted(listed) == sorted(found + [("–", rule) for name, rule in listed if name == "–"])
