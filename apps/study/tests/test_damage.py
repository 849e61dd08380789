"""What lies in a study's folder is never believed: damage is one sentence, and nothing is lost by it."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from study.command_line.cli import run
from study.config import StudyConfig
from study.engines import Event
from study.errors import StudyError
from study.folder.files import Damaged, parse_json, parse_table, read_bytes, table_bytes, write_bytes
from study.folder.job_record import key_of, read_record
from study.folder.state_file import read_state, write_state
from study.folder.store import Store
from study.plan import Job, Plan
from study.results.collect import collect


@pytest.fixture
def mine(small_done: tuple[Plan, Store], tmp_path: Path) -> tuple[Plan, Store]:
    shutil.copytree(small_done[1].root, tmp_path / "mine")
    return small_done[0], Store(tmp_path / "mine")


def adaptation(plan: Plan) -> Job:
    return next(job for job in plan.jobs if job.kind == "adapt" and job.parent is not None)


def use_all(store: Store, job: Job) -> None:
    """Reads every file of a job, as collecting and its children would."""
    store.check([job])
    for name in store.record(job).files:
        store.read(job, name)
    store.read(job, "costs.json")
    store.manifest(job)


def complaint(use: Callable[[], object]) -> str:
    """Returns the sentence of the error that comes of it; empty if none does."""
    try:
        use()
    except (StudyError, Damaged) as error:
        return str(error)
    return ""


def test_every_file_is_listed_with_its_sum_and_the_spec_gives_the_key(mine: tuple[Plan, Store]) -> None:
    import hashlib

    plan, store = mine
    for job in plan.jobs:
        record = json.loads((store.folder(job) / "job.json").read_text())
        manifest = json.loads((store.folder(job) / "manifest.json").read_text())
        listed = {**record["files"], **manifest["files"]}
        there = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in store.folder(job).iterdir()}
        assert {**listed, "job.json": there["job.json"], "manifest.json": there["manifest.json"]} == there
        text = json.dumps(record["spec"], sort_keys=True, separators=(",", ":"))
        assert hashlib.sha256(text.encode()).hexdigest() == record["key"] == job.key


def test_any_bit_of_any_file_is_noticed_or_changes_nothing(mine: tuple[Plan, Store]) -> None:
    plan, store = mine
    job = adaptation(plan)
    rng = random.Random(20)
    for path in sorted(store.folder(job).iterdir()):
        whole = path.read_bytes()
        for _ in range(60):
            at, bit = rng.randrange(len(whole)), 1 << rng.randrange(8)
            path.write_bytes(whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :])
            if said := complaint(lambda: use_all(Store(store.root), job)):
                assert str(path) in said
                assert "delete the folder" in said
                assert "\n" not in said
            else:  # a blank of JSON, at most
                assert path.suffix == ".json"
                assert json.loads(path.read_bytes()) == json.loads(whole)
        path.write_bytes(whole)
    use_all(Store(store.root), job)


def test_folders_that_changed_places_are_noticed(small: StudyConfig, mine: tuple[Plan, Store]) -> None:
    plan, store = mine
    first, second = [store.folder(job) for job in plan.jobs if job.kind == "adapt"][:2]
    first.rename(store.root / "third")
    second.rename(first)
    (store.root / "third").rename(second)
    with pytest.raises(StudyError, match=r"job\.json is damaged \(it is the record of job [0-9a-f]{16}\)"):
        collect(small, plan, store, rerun="")
    with pytest.raises(StudyError, match="is damaged"):
        store.check(plan.jobs)


def test_files_that_changed_places_are_noticed(mine: tuple[Plan, Store]) -> None:
    plan, store = mine
    first, second = [store.folder(job) for job in plan.jobs if job.kind == "adapt"][:2]
    shutil.copy(first / "episodes.parquet", second / "episodes.parquet")
    with pytest.raises(StudyError, match=r"episodes\.parquet is damaged \(it does not match its SHA-256"):
        store.table(plan.jobs, "episodes")


DEEP = b"[" * 100_000
VALUES = [
    b"",
    b"null",
    b"[]",
    b"3",
    b'"x"',
    b"NaN",
    b"true",
    b"{}",
    b"{",
    b"\xff\xfe",
    DEEP,
    b'{"a":' * 60_000,
]


@pytest.mark.parametrize("name", ["job.json", "manifest.json", "costs.json", "ledger.json"])
def test_records_of_any_type_and_depth(mine: tuple[Plan, Store], name: str) -> None:
    plan, store = mine
    job = adaptation(plan)
    for value in VALUES:
        (store.folder(job) / name).write_bytes(value)
        with pytest.raises(
            StudyError, match=rf"{name} is damaged .*delete the folder .* run the same command"
        ):
            use_all(Store(store.root), job)


@pytest.mark.parametrize("field", ["key", "spec", "files"])
@pytest.mark.parametrize("value", [None, [], 3, "x", {}, {"a": 1}, {"../x": "0" * 64}, [[[]]]])
def test_a_record_with_one_field_of_another_type(mine: tuple[Plan, Store], field: str, value: Any) -> None:
    plan, store = mine
    job = adaptation(plan)
    path = store.folder(job) / "job.json"
    changed = {**json.loads(path.read_text()), field: value}
    path.write_text(json.dumps(changed))
    with pytest.raises(StudyError, match="is damaged"):
        use_all(store, job)
    if (field, value) != ("files", {}):  # whoever changes the sums as well is believed in what is left
        changed.pop("sha256")
        path.write_text(json.dumps({**changed, "sha256": key_of(changed)}))
        with pytest.raises(StudyError, match="is damaged"):
            use_all(Store(store.root), job)


@pytest.mark.parametrize("field", ["splits", "identity", "fvm_study", "config"])
@pytest.mark.parametrize("value", ["[]", "null", "NaN", "3", '"x"', '{"a": NaN}', '{"a": 1}', "[" * 100_000])
def test_a_damaged_study_json(tiny_done: Path, tmp_path: Path, field: str, value: str) -> None:
    root = tmp_path / "study"
    root.mkdir()
    (root / "jobs").mkdir()
    shutil.copytree(tiny_done / "jobs", root / "jobs", dirs_exist_ok=True)
    found = json.loads((tiny_done / "study.json").read_text())
    text = json.dumps({**found, field: "HERE"}).replace('"HERE"', value)
    (root / "study.json").write_text(text)
    store = Store(root)
    said = complaint(lambda: store.claim(found["identity"], found["config"], found["splits"]))
    assert "\n" not in said
    assert len(said) < 800
    if said:
        assert (root / "study.json").read_text() == text  # nothing was overwritten
    else:  # what is not needed to go on
        store.close()
        assert (field, value) in [("splits", '{"a": 1}')] or field == "config"


def test_a_lost_study_json_is_written_anew_and_the_jobs_are_kept(
    tiny: Callable[..., list[str]],
    tiny_done: Path,
    tmp_path: Path,
    no_report: None,
    capfd: pytest.CaptureFixture[str],
) -> None:
    root = tmp_path / "study"
    shutil.copytree(tiny_done, root)
    (root / "study.json").write_text('{"fvm_study": 1, "ident')
    assert run(tiny(root)) == 2
    said = capfd.readouterr().err
    assert f"delete {root / 'study.json'} and run the same command again" in said
    (root / "study.json").unlink()  # as it says
    assert run(tiny(root)) == 0
    assert "5 of 5 jobs are finished from before" in capfd.readouterr().out


STATES: list[Any] = [
    [],
    {},
    {"job": 3},
    {"job": "x", "stream": []},
    {"x": np.zeros(3)},
    {"stream": None, "rows": 3},
]


@pytest.mark.parametrize("state", STATES)
def test_a_checkpoint_that_is_none(
    small_done: tuple[Plan, Store], run_plan: Callable[..., list[Event]], tmp_path: Path, state: Any
) -> None:
    plan, _ = small_done
    store = Store(tmp_path)
    (tmp_path / "jobs").mkdir()
    job = next(job for job in plan.jobs if job.method == "scratch")
    write_state(store.workspace(job) / "checkpoint.safetensors", state)
    only = Plan(jobs=(job,), folds={})
    failed = [event for event in run_plan(only, store) if event.what == "failed"]
    assert len(failed) == 1
    assert failed[0].mendable
    assert "checkpoint.safetensors is damaged" in failed[0].message
    assert "delete this file and run the same command again" in failed[0].message
    (store.workspace(job) / "checkpoint.safetensors").unlink()
    assert run_plan(only, store)[-1].what == "finished"


def test_weights_in_place_of_a_checkpoint(small_done: tuple[Plan, Store], tmp_path: Path) -> None:
    plan, done = small_done
    store = Store(tmp_path)
    job = adaptation(plan)
    shutil.copy(done.folder(job) / "weights.safetensors", store.workspace(job) / "checkpoint.safetensors")
    with pytest.raises(StudyError, match=r"it is no checkpoint of this job\); delete this file"):
        store.load_checkpoint(job)


def test_a_state_with_a_header_of_any_kind(tmp_path: Path) -> None:
    from safetensors.torch import save

    path = tmp_path / "state"
    for header in ("", "[]", "3", "null", "[" * 100_000, '{"state": 3}', '{"state": "[", "sha256": ""}'):
        path.write_bytes(save({"x": torch.zeros(1)}, metadata={"fvm": header}))
        with pytest.raises(StudyError, match="is damaged") as error:
            read_state(path)
        assert "\n" not in str(error.value)


def test_an_output_moved_away_advises_to_delete_nothing(mine: tuple[Plan, Store], tmp_path: Path) -> None:
    plan, store = mine
    job = adaptation(plan)
    store.record(job)
    store.root.rename(tmp_path / "elsewhere")
    for use in (
        lambda: store.weights(job),
        lambda: store.note(job, "costs"),
        lambda: store.table([job], "episodes"),
        lambda: store.save_checkpoint(job, {}),
        lambda: Store(store.root).record(job),
        lambda: write_bytes(store.root / "results.parquet", b"x"),
    ):
        with pytest.raises(StudyError, match="is gone, moved or deleted") as error:
            use()
        assert "delete the" not in str(error.value)
        assert "is kept" in str(error.value)
    assert not store.root.exists()  # nothing grows in its old place


@pytest.mark.parametrize("name", ["s*", "[bold]x[/bold]", "s?", "{a,b}", "[0-9]", "**", ":smile:", "a b"])
def test_no_name_is_a_pattern_or_markup(
    tiny_done: Path,
    tiny: Callable[..., list[str]],
    tmp_path: Path,
    no_report: None,
    capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:
    for beside in (name, "s2", "a", "b", "7"):
        shutil.copytree(tiny_done, tmp_path / beside)
    assert run(tiny(tmp_path / name)) == 0
    shown = capsys.readouterr()
    assert f"results in {tmp_path / name}" in shown.out.replace("\n", "") or name == "a b"
    assert (tmp_path / name / "results.parquet").read_bytes() == (tiny_done / "results.parquet").read_bytes()


def test_a_file_is_written_through_no_link(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    folder = tmp_path / "study"
    folder.mkdir()
    for name in ("results.parquet", "results.parquet.partial", ".results.parquet.partial"):
        (folder / name).symlink_to(victim)
    write_bytes(folder / "results.parquet", b"new")
    assert victim.read_text() == "precious"
    assert (folder / "results.parquet").read_bytes() == b"new"
    assert not (folder / "results.parquet").is_symlink()


@pytest.mark.parametrize(
    "place", ["jobs", "running", "report", ".lock", "mlflow.db", "videos", "jobs/0123456789abcdef"]
)
def test_a_strangers_link_is_refused(
    tiny: Callable[..., list[str]],
    tiny_done: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    place: str,
) -> None:
    root, victim = tmp_path / "study", tmp_path / "victim"
    shutil.copytree(tiny_done, root)
    victim.mkdir()
    (victim / "mine").write_text("precious")
    path = root / place
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.symlink_to(victim / "mine" if place in (".lock", "mlflow.db") else victim)
    assert run(tiny(root)) == 2
    said = capfd.readouterr().err
    assert f"{path} is a symbolic link to {victim}" in said
    assert said.count("\n") == 1
    assert [p.name for p in victim.iterdir()] == ["mine"]
    assert (victim / "mine").read_text() == "precious"


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(tmp_path / "pipe")  # opening it would wait for ever
    (tmp_path / "folder").mkdir()
    for name in ("link", "pipe", "folder"):
        with pytest.raises((Damaged, IsADirectoryError)):
            read_bytes(tmp_path / name)
    (tmp_path / "large").write_bytes(b"x" * 101)
    with pytest.raises(Damaged, match="101 bytes"):
        read_bytes(tmp_path / "large", limit=100)


def test_a_table_is_a_table_or_damaged_whatever_its_bytes() -> None:
    table = pl.DataFrame({"x": list(range(50)), "y": [str(i) for i in range(50)]})
    whole = table_bytes(table)
    assert parse_table(whole).equals(table)
    rng = random.Random(3)
    for _ in range(300):
        at, bit = rng.randrange(len(whole)), 1 << rng.randrange(8)
        other = whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :]
        complaint(partial(parse_table, other))
    for other in (b"", b"PAR1", whole[:-1], whole[4:], b"a,b\n1,2\n"):
        with pytest.raises(Damaged):
            parse_table(other)


def test_json_has_no_numbers_that_are_none() -> None:
    for text in (b"NaN", b"-Infinity", b'{"a": [1, Infinity]}', b"1e999", b'{"a": [-2E+400]}', b"1" * 5000):
        with pytest.raises(Damaged):
            parse_json(text)
    assert parse_json(b'{"a": [1, 2.5, null]}') == {"a": [1, 2.5, None]}


def test_a_record_names_no_path(mine: tuple[Plan, Store]) -> None:
    plan, store = mine
    folder = store.folder(adaptation(plan))
    value = json.loads((folder / "job.json").read_text())
    for name in ("../../secret", "/etc/passwd", "a/b", "", ".", "..", "x\x00"):
        other = {"key": value["key"], "spec": value["spec"], "files": {name: "0" * 64}}
        (folder / "job.json").write_text(json.dumps({**other, "sha256": key_of(other)}))
        with pytest.raises(Damaged, match="is no file and its SHA-256"):
            read_record(folder)
