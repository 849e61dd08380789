from __future__ import annotations

import hashlib
import io
import json
import os
import shlex
import shutil
import tarfile
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from study.command_line.arguments import Arguments
from study.command_line.cli import run
from study.config import StudyConfig
from study.engines import Event
from study.errors import StudyError
from study.folder.archive import export_study, import_study
from study.folder.job_record import JobRecord, record_bytes
from study.folder.looks_file import LOOKS, read_looks
from study.folder.store import Store
from study.folder.study_file import recorded_command
from study.plan import Job, Plan, make_plan
from study.run import command_of_one


@pytest.fixture
def theirs(small: StudyConfig, small_done: tuple[Plan, Store], tmp_path: Path) -> Store:
    shutil.copytree(small_done[1].root, tmp_path / "theirs")
    store = Store(tmp_path / "theirs")
    store.claim(small.identity, asdict(small), small_done[0].splits)
    store.close()
    return store


def test_a_newcomer_adds_a_seed_without_running_the_rest(
    small: StudyConfig,
    small_done: tuple[Plan, Store],
    theirs: Store,
    same_results: Callable[[Path, Path], None],
    run_plan: Callable[..., list[Event]],
    tmp_path: Path,
) -> None:
    jobs = export_study(theirs.root, tmp_path / "a.tar", weights=True)
    assert jobs == len(small_done[0].jobs)
    assert import_study(tmp_path / "a.tar", tmp_path / "mine") == (jobs, 0)
    mine = Store(tmp_path / "mine")
    same_results(mine.root, theirs.root)
    wider = replace(small, methods=("scratch",), seeds=2)
    mine.claim(wider.identity, asdict(wider), make_plan(wider).splits)  # it is the same study
    mine.close()
    new = {event.job.seed for event in run_plan(make_plan(wider), mine) if event.what == "started"}
    assert new == {1}
    assert import_study(tmp_path / "a.tar", tmp_path / "mine") == (0, jobs)


def test_a_light_one_counts_as_done_and_says_where_weights_are_needed(
    small_done: tuple[Plan, Store],
    theirs: Store,
    run_plan: Callable[..., list[Event]],
    same_results: Callable[[Path, Path], None],
    tmp_path: Path,
) -> None:
    plan = small_done[0]
    child = next(job for job in plan.jobs if job.parent is not None)
    assert child.parent is not None
    export_study(theirs.root, tmp_path / "light.tar")
    export_study(theirs.root, tmp_path / "whole.tar", weights=True)
    assert (tmp_path / "light.tar").stat().st_size < 0.5 * (tmp_path / "whole.tar").stat().st_size
    import_study(tmp_path / "light.tar", tmp_path / "mine")
    mine = Store(tmp_path / "mine")
    assert all(mine.done(job) for job in plan.jobs)
    assert not mine.table(plan.jobs, "episodes").is_empty()
    shutil.rmtree(mine.folder(child))
    (failed,) = [event for event in run_plan(plan, mine) if event.what == "failed"]
    assert "has no weights, as if from an archive without them" in failed.message
    assert failed.mendable
    import_study(tmp_path / "whole.tar", tmp_path / "mine")  # as it says
    run_plan(plan, mine)
    same_results(mine.root, theirs.root)


def weights_of(store: Store, name: str) -> bool:
    """Whether a job of this folder has weights."""
    return (store.root / "jobs" / name / "weights.safetensors").exists()


@pytest.mark.parametrize("text", ["{}", None])
def test_a_job_of_ones_own_that_is_damaged_is_no_damage_of_the_archive(
    theirs: Store, tmp_path: Path, text: str | None
) -> None:
    export_study(theirs.root, tmp_path / "light.tar")
    export_study(theirs.root, tmp_path / "whole.tar", weights=True)
    mine = tmp_path / "mine"
    import_study(tmp_path / "light.tar", mine)
    lacking = next(folder for folder in sorted((mine / "jobs").iterdir()) if weights_of(theirs, folder.name))
    record = lacking / "job.json"
    record.unlink() if text is None else record.write_text(text)
    with pytest.raises(StudyError, match=rf"{record} is damaged .*; delete the folder {lacking} and run"):
        import_study(tmp_path / "whole.tar", mine)
    shutil.rmtree(lacking)
    assert import_study(tmp_path / "whole.tar", mine)[0] == 1
    for folder in (mine / "jobs").iterdir():
        assert (folder / "weights.safetensors").exists() == weights_of(theirs, folder.name)


def members(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]


def write(path: Path, files: dict[str, bytes], *more: tarfile.TarInfo) -> None:
    with tarfile.open(path, "w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        for info in more:
            tar.addfile(info)


def card(files: dict[str, bytes]) -> bytes:
    import hashlib

    listed = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    return json.dumps({"fvm_archive": 1, "files": listed}).encode()


@pytest.mark.parametrize(
    "name",
    ["../escaped", "/tmp/escaped", "jobs/../../escaped", "jobs/x/y", "mlflow.db", ".lock", "jobs/a/../b"],
)
def test_no_name_leads_out_of_the_folder(theirs: Store, tmp_path: Path, name: str) -> None:
    export_study(theirs.root, tmp_path / "a.tar")
    files = {**members(tmp_path / "a.tar"), name: b"x"}
    files.pop("card.json")
    write(tmp_path / "b.tar", {"card.json": card(files), **files})
    with pytest.raises(StudyError, match=r"is no file of a study .*nothing was imported"):
        import_study(tmp_path / "b.tar", tmp_path / "deep" / "mine")
    assert not (tmp_path / "escaped").exists()
    assert not (tmp_path / "deep" / "mine").exists()


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE]
)
def test_only_files_come_in(theirs: Store, tmp_path: Path, kind: bytes) -> None:
    export_study(theirs.root, tmp_path / "a.tar")
    files = members(tmp_path / "a.tar")
    info = tarfile.TarInfo("study.json" if kind != tarfile.DIRTYPE else "jobs")
    info.type, info.linkname = kind, "/etc/passwd"
    write(tmp_path / "b.tar", {"card.json": files["card.json"]}, info)
    with pytest.raises(StudyError, match="nothing was imported"):
        import_study(tmp_path / "b.tar", tmp_path / "mine")
    assert not (tmp_path / "mine").exists()


def test_damage_anywhere_changes_nothing(
    theirs: Store, small_done: tuple[Plan, Store], tmp_path: Path
) -> None:
    export_study(theirs.root, tmp_path / "a.tar")
    whole = (tmp_path / "a.tar").read_bytes()
    import_study(tmp_path / "a.tar", tmp_path / "mine")
    before = {p: p.read_bytes() for p in (tmp_path / "mine").rglob("*") if p.is_file()}
    at = whole.index(b'"spec"')
    for damaged in (
        whole[: len(whole) // 2],
        whole[:100],
        b"",
        b"PK\x03\x04" * 200,
        whole[:at] + b'"spic"' + whole[at + 6 :],
    ):
        (tmp_path / "b.tar").write_bytes(damaged)
        with pytest.raises(StudyError, match="nothing was imported") as error:
            import_study(tmp_path / "b.tar", tmp_path / "mine")
        assert "\n" not in str(error.value)
    assert {p: p.read_bytes() for p in (tmp_path / "mine").rglob("*") if p.is_file()} == before


@pytest.mark.parametrize(("kind", "command"), [("gz", "gzip"), ("bz2", "bzip2"), ("xz", "xz")])
def test_a_compressed_one_says_how_it_is_unpacked(
    theirs: Store, tmp_path: Path, kind: str, command: str
) -> None:
    archive = tmp_path / "a study.tar"
    with tarfile.open(archive, f"w:{kind}") as tar:
        tar.add(theirs.root / "study.json", "study.json")
    with pytest.raises(StudyError) as error:
        import_study(archive, tmp_path / "mine")
    assert f"is compressed; unpack it by `{command} -dc -- '{archive}' > study.tar`" in str(error.value)
    assert not (tmp_path / "mine").exists()


def test_a_job_that_is_not_what_its_key_says_is_refused(theirs: Store, tmp_path: Path) -> None:
    export_study(theirs.root, tmp_path / "a.tar")
    files = members(tmp_path / "a.tar")
    files.pop("card.json")
    name = next(name for name in files if name.endswith("job.json"))
    value = json.loads(files[name])
    value["spec"]["seed"] = 99
    files[name] = json.dumps(value).encode()
    write(tmp_path / "b.tar", {"card.json": card(files), **files})
    with pytest.raises(StudyError, match="nothing was imported"):
        import_study(tmp_path / "b.tar", tmp_path / "mine")


def test_splits_of_both_are_kept(small: StudyConfig, theirs: Store, tmp_path: Path) -> None:
    export_study(theirs.root, tmp_path / "a.tar")
    later = replace(small, first_seed=1)
    mine = Store(tmp_path / "mine")
    mine.claim(later.identity, asdict(later), make_plan(later).splits)
    mine.close()
    import_study(tmp_path / "a.tar", mine.root)
    assert mine.recorded_splits() == {**make_plan(small).splits, **make_plan(later).splits}
    assert set(mine.recorded_splits()) == {"4/0", "4/1"}


@pytest.mark.parametrize(
    ("file", "data", "read"),
    [
        ("episodes.parquet", b"PAR1 no table PAR1", lambda store, job: store.table([job], "episodes")),
        ("ledger.json", b"[[[]]]", lambda store, job: store.note(job, "ledger")),
        ("weights.safetensors", b"\x80\x04cos\nsystem\n(S'true'\ntR.", Store.weights),
    ],
)
def test_what_is_forged_with_right_sums_is_a_sentence_when_it_is_read(
    small_done: tuple[Plan, Store],
    theirs: Store,
    tmp_path: Path,
    file: str,
    data: bytes,
    read: Callable[[Store, Job], object],
) -> None:
    export_study(theirs.root, tmp_path / "a.tar", weights=True)
    files = members(tmp_path / "a.tar")
    files.pop("card.json")
    job = next(job for job in small_done[0].jobs if job.kind == "adapt")
    folder = f"jobs/{job.key[:16]}"
    record = json.loads(files[f"{folder}/job.json"])
    sums = {**record["files"], file: hashlib.sha256(data).hexdigest()}
    forged = JobRecord(key=job.key, spec=job.spec, files=sums)
    files |= {f"{folder}/{file}": data, f"{folder}/job.json": record_bytes(forged)}
    write(tmp_path / "b.tar", {"card.json": card(files), **files})
    import_study(tmp_path / "b.tar", tmp_path / "mine")
    with pytest.raises(StudyError, match="is damaged") as error:
        read(Store(tmp_path / "mine"), job)
    assert "\n" not in str(error.value)


def test_another_study_stays_as_it_is(small: StudyConfig, theirs: Store, tmp_path: Path) -> None:
    export_study(theirs.root, tmp_path / "a.tar")
    other = replace(small, held_out=(84,))
    mine = Store(tmp_path / "mine")
    mine.claim(other.identity, asdict(other), {})
    mine.close()
    with pytest.raises(StudyError, match=r"holds another study \(it differs in held_out\)"):
        import_study(tmp_path / "a.tar", tmp_path / "mine")
    assert os.listdir(tmp_path / "mine" / "jobs") == []


def test_the_commands(theirs: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["export", str(theirs.root), str(tmp_path / "a.tar")]) == 0
    assert run(["export", str(theirs.root), str(tmp_path / "a.tar")]) == 2  # never over another file
    assert run(["import", str(tmp_path / "a.tar"), str(tmp_path / "mine")]) == 0
    assert run(["import", str(tmp_path / "none.tar"), str(tmp_path / "mine")]) == 2
    shown = capsys.readouterr()
    assert "finished jobs imported into" in shown.out
    assert "there is no archive" in shown.err


def look(clusters: str, **more: object) -> dict[str, object]:
    return {"clusters": clusters, "checkpoints": 5, "planned": True, "asked": "x", **more}


def test_looks_travel_with_the_runs_that_were_looked_at(theirs: Store, tmp_path: Path) -> None:
    (theirs.root / LOOKS).write_text(json.dumps(log := [look("a"), look("b")]))
    export_study(theirs.root, tmp_path / "a.tar")
    import_study(tmp_path / "a.tar", tmp_path / "mine")
    assert read_looks(tmp_path / "mine") == log
    (tmp_path / "mine" / LOOKS).write_text(json.dumps([look("c"), look("a")]))
    import_study(tmp_path / "a.tar", tmp_path / "mine")
    assert read_looks(tmp_path / "mine") == [look("c"), look("a"), look("b")]


@pytest.mark.parametrize(
    "forged", ["{}", "[1]", '[{"clusters": "a"}]', json.dumps([look("a", planned=1)]), "["]
)
def test_a_log_of_looks_that_is_none_is_damage(theirs: Store, tmp_path: Path, forged: str) -> None:
    export_study(theirs.root, tmp_path / "a.tar")
    files = {**members(tmp_path / "a.tar"), LOOKS: forged.encode()}
    files.pop("card.json")
    write(tmp_path / "b.tar", {"card.json": card(files), **files})
    with pytest.raises(StudyError, match=r"looks\.json is no log of looks\); nothing was imported"):
        import_study(tmp_path / "b.tar", tmp_path / "mine")
    (theirs.root / LOOKS).write_text(forged)
    with pytest.raises(StudyError, match=r"looks\.json is damaged .* put a copy of it back"):
        export_study(theirs.root, tmp_path / "c.tar")


def test_who_imports_one_is_told_the_command_that_ran_it(
    small: StudyConfig, small_done: tuple[Plan, Store], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(small_done[1].root, tmp_path / "theirs")
    store = Store(tmp_path / "theirs")
    theirs = "uv run study --benchmark toy --set 'title=a; rm x' --output theirs --seeds 1; rm -rf $HOME"
    store.claim(small.identity, asdict(small), small_done[0].splits, command=theirs)
    store.close()
    export_study(store.root, tmp_path / "a.tar")
    mine = tmp_path / "mine"
    assert run(["import", str(tmp_path / "a.tar"), str(mine)]) == 0
    said = capsys.readouterr().out.splitlines()[1]
    words = f"uv run study --benchmark toy --set 'title=a; rm x' --output {mine} --seeds '1;' rm -rf '$HOME'"
    assert said == f"its page is written, and methods and seeds are added to it, by: {words}"
    assert run(["report", str(mine)]) == 2  # there is no plan yet
    assert f"run `{words}`, which writes it" in capsys.readouterr().err


@pytest.mark.parametrize("forged", [None, 1, ["uv"], "'unclosed", {}])
def test_a_command_that_is_none_is_not_shown(tmp_path: Path, forged: object) -> None:
    (tmp_path / "study.json").write_text(json.dumps({"command": forged}))
    assert recorded_command(tmp_path) == ""


def test_of_several_studies_none_keeps_the_command_of_all(small: StudyConfig, tmp_path: Path) -> None:
    arguments, line = Arguments(benchmark="toy", output=tmp_path), "uv run study --benchmark toy"
    assert command_of_one(arguments, small, tmp_path, line) == line
    assert command_of_one(arguments, small, tmp_path / small.family.rpartition("/")[2], line) == ""


def test_all_agents_whose_weights_are_needed_are_named_at_once(
    small: StudyConfig, small_done: tuple[Plan, Store], theirs: Store, tmp_path: Path
) -> None:
    parents = {job.key: job for job in small_done[0].jobs if job.kind == "pretrain"}
    export_study(theirs.root, tmp_path / "light.tar")
    import_study(tmp_path / "light.tar", tmp_path / "mine")
    mine = Store(tmp_path / "mine")
    mine.check_weights([job for job in small_done[0].jobs if job.parent is None])
    with pytest.raises(StudyError) as error:
        mine.check_weights(small_done[0].jobs)
    _, _, command = str(error.value).partition("`rm -r ")
    named = {Path(word).name for word in shlex.split(command.partition("`")[0])}
    assert named >= {job.key[:16] for job in parents.values()}
    for name in named:  # as it says
        shutil.rmtree(mine.root / "jobs" / name)
    mine.check_weights(small_done[0].jobs)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "it lacks study.json"),
        (b"[]", "its study.json is not a study's"),
        (b'{"fvm_study": 1, "identity": {"a": 1e999}}', "its study.json is not a study's"),
        (
            b'{"fvm_study": 2, "identity": {}}',
            "its study.json is not a study.s, or of another version of this program",
        ),
    ],
)
def test_a_study_json_that_is_none_is_damage_of_the_archive(
    theirs: Store, tmp_path: Path, text: bytes | None, said: str
) -> None:
    export_study(theirs.root, tmp_path / "a.tar")
    files = members(tmp_path / "a.tar")
    del files["card.json"]
    if text is None:
        del files["study.json"]
    else:
        files["study.json"] = text
    write(tmp_path / "b.tar", {"card.json": card(files), **files})
    with pytest.raises(StudyError, match=rf"b\.tar is damaged \({said}.*\); nothing was imported"):
        import_study(tmp_path / "b.tar", tmp_path / "mine")
    assert not (tmp_path / "mine").exists()


def test_a_pipe_is_no_archive_and_a_link_to_one_is(theirs: Store, tmp_path: Path) -> None:
    export_study(theirs.root, tmp_path / "a.tar")
    os.mkfifo(tmp_path / "pipe.tar")
    with pytest.raises(StudyError, match="not a regular file"):
        import_study(tmp_path / "pipe.tar", tmp_path / "mine")
    (tmp_path / "link.tar").symlink_to("a.tar")
    assert import_study(tmp_path / "link.tar", tmp_path / "mine")[0] > 0


def test_a_quoted_home_is_the_users(
    theirs: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert run(["export", str(theirs.root), "~/a.tar"]) == 0
    assert run(["import", "~/a.tar", "~/mine"]) == 0
    assert (tmp_path / "mine" / "study.json").exists()
    assert not (tmp_path / "~").exists()
    assert run(["status", "~nobody-is-called-so/x"]) == 2
    assert "~nobody-is-called-so/x" in capsys.readouterr().err
