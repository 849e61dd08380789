from __future__ import annotations

from pathlib import Path

import pytest
from study.tracking.mlflow_sink import flatten, read_book


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "3", '{"sqlite:///x": 1}', '{"sqlite:///x": {"parent": null}}', "\x00"),
        '{"sqlite:///x": {"parent": 3, "jobs": {}}}',
        '{"sqlite:///x": {"parent": null, "jobs": {"a": null}}}',
    ],
)
def test_a_damaged_note_counts_as_none(tmp_path: Path, text: str) -> None:
    assert read_book(tmp_path / "none.json") == {}
    (tmp_path / "tracking.json").write_text(text)
    assert read_book(tmp_path / "tracking.json") == {}


def test_settings_become_dotted_names() -> None:
    assert flatten({"a": {"b": 1, "c": {"d": None}}, "e": (1, 2)}) == {
        "a.b": "1",
        "a.c.d": "None",
        "e": "(1, 2)",
    }


def test_names_of_arms_become_names_that_mlflow_takes() -> None:
    from mlflow.utils.validation import _validate_param_name

    named = flatten({"chosen": {"multitask@100:gradient+head-reset": "rate 0.005"}})
    assert named == {"chosen.multitask-100:gradient-head-reset": "rate 0.005"}
    for name in named:
        _validate_param_name(name)
