"""The plan in a study's folder: it comes back as it was, or is refused in a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from study.errors import StudyError
from study.folder.plan_file import PlanFile, read_plan, stamp, write_plan
from study.folder.store import Store
from study.plan import Plan


def test_a_plan_comes_back_with_the_same_keys(folder: tuple[Plan, Store]) -> None:
    plan, store = folder
    found = read_plan(store.root)
    assert [job.key for job in found.jobs] == [job.key for job in plan.jobs]
    assert [job.title for job in found.jobs] == [job.title for job in plan.jobs]
    assert [job.checkpoint for job in found.jobs] == [job.checkpoint for job in plan.jobs]
    before = stamp(store.root)
    write_plan(store.root, PlanFile(jobs=plan.jobs[:1]))
    assert stamp(store.root) != before
    assert len(read_plan(store.root).jobs) == 1


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"fvm_plan": 9}', "[" * 100_000, '{"fvm_plan":1,"jobs":[3]}']
)
def test_a_damaged_plan_is_a_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(StudyError, match=r"plan\.json is damaged .*the study's own command again") as error:
        read_plan(tmp_path)
    assert "\n" not in str(error.value)


def test_a_plan_whose_specs_were_changed_is_refused(folder: tuple[Plan, Store]) -> None:
    _, store = folder
    value = json.loads((store.root / "plan.json").read_text())
    value["jobs"][1]["spec"]["seed"] = 7
    (store.root / "plan.json").write_text(json.dumps(value))
    with pytest.raises(StudyError, match="does not give its key"):
        read_plan(store.root)
