"""Tables of many jobs read together are those read one by one."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from study.errors import StudyError
from study.folder import finished_jobs
from study.folder.files import Damaged
from study.folder.job_tables import read_tables
from study.folder.store import Store
from study.plan import Job


def job(number: int) -> Job:
    return Job(kind="adapt", spec={"task": f"toy/{number}"}, method=f"m{number}", fold=0, seed=number)


def filed(root: Path, tables: list[pl.DataFrame]) -> tuple[Store, list[Job]]:
    """Returns a store in which each table is the one of a job of its own."""
    root.mkdir()
    (root / "jobs").mkdir()
    (root / "study.json").write_text("{}")
    store, jobs = Store(root), [job(i) for i in range(len(tables))]
    for one, table in zip(jobs, tables, strict=True):
        store.finish(one, {"rows": table}, {}, None)
    return store, jobs


def rows(*values: float) -> pl.DataFrame:
    return pl.DataFrame({"value": list(values)}, schema={"value": pl.Float64})


@pytest.mark.parametrize("at_once", [1, 2, 100])
def test_rows_keep_their_order_and_their_jobs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(finished_jobs, "AT_ONCE", at_once)
    store, jobs = filed(
        tmp_path / "~" if at_once == 2 else tmp_path / "s*[a]?%41", [rows(1, 2), rows(), rows(3)]
    )
    table = store.table(jobs, "rows", tasks=True)
    assert table.select("value", "method", "seed", "task").rows() == [
        (1.0, "m0", 0, "toy/0"),
        (2.0, "m0", 0, "toy/0"),
        (3.0, "m2", 2, "toy/2"),
    ]


def test_tables_of_several_kinds_are_put_together_by_name(tmp_path: Path) -> None:
    other = pl.DataFrame({"value": [2.0], "more": ["x"]})
    store, jobs = filed(tmp_path / "s", [rows(1), other, rows(3)])
    table = store.table(jobs, "rows")
    assert table["value"].to_list() == [1.0, 2.0, 3.0]
    assert table["more"].to_list() == [None, "x", None]
    assert table["method"].to_list() == ["m0", "m1", "m2"]


def test_a_job_without_the_table_has_no_rows(tmp_path: Path) -> None:
    store, jobs = filed(tmp_path / "s", [rows(1)])
    store.finish(job(7), {"others": rows(5)}, {}, None)
    assert store.table([job(7), *jobs], "rows")["method"].to_list() == ["m0"]
    assert store.table([job(7)], "rows").is_empty()


def test_the_damaged_one_of_many_is_named(tmp_path: Path) -> None:
    store, jobs = filed(tmp_path / "s", [rows(1), rows(2), rows(3)])
    bad = store.folder(jobs[1]) / "rows.parquet"
    bad.write_bytes(bad.read_bytes()[:-20])
    with pytest.raises(StudyError, match=f"{bad} is damaged"):
        store.table(jobs, "rows")
    with pytest.raises(Damaged, match="one of 2 tables"):
        read_tables([store.folder(jobs[0]) / "rows.parquet", bad])
