"""Benchmarks, methods, learners, measures and claims of a user's own: the very files of docs/plugins.md."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
import torch
from fvm_meta import MultiTask
from study import plugins
from study.config import StudyConfig
from study.errors import StudyError
from study.folder.job_record import manifest_bytes
from study.folder.manifest import name_of
from study.folder.store import Store
from study.identity import source_hash, version_of
from study.methods import Method
from study.plan import Job, Plan, make_plan
from study.registry import Measure, MethodKind, RetentionKind, register, registered
from study.results.collect import sources_note

PAGES = [folder / "plugins.md" for folder in (Path(__file__).parents[1], Path(__file__).parents[3] / "docs")]
PAGE = next(path for path in PAGES if path.is_file())
FILES = dict(re.findall(r"^`(\w+\.py)`\n\n```python\n(.*?)^```$", PAGE.read_text(), flags=re.S | re.M))
ENV = {**os.environ, "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}
TINY = "--seeds 1 --pretrain-env-steps 512 --adapt-env-steps 256 --no-tracking"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture(autouse=True)
def no_traces() -> Iterator[None]:
    """Forgets the records that a test registers in this process."""
    before = {kind: dict(records) for kind, records in vars(registered()).items()}
    yield
    for kind, records in vars(registered()).items():
        records.clear()
        records.update(before[kind])
    plugins._given.clear()


def study(
    folder: Path, line: str, *start: str, env: Mapping[str, str] = ENV
) -> subprocess.CompletedProcess[str]:
    command = [*(start or (sys.executable, "-m", "study")), *line.split()]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=500)


def loaded_from(path: Path) -> Any:
    """Loads a file anew; returns its module."""
    name = plugins.module_of_file(path)
    sys.modules.pop(name, None)
    plugins.import_file(path, name)
    return sys.modules[name]


def methods_of(root: Path) -> set[str]:
    return set(pl.read_parquet(root / "results.parquet")["method"])


def test_the_page_has_all_files() -> None:
    names = {"poles.py", "near.py", "l1.py", "reinforce.py", "reinforce_study.py", "worst.py", "polite.py"}
    assert FILES.keys() == names


def test_a_family_a_method_a_measure_a_claim_and_a_launcher_of_ones_own_in_one_study(folder: Path) -> None:
    line = (
        "--plugin poles.py --plugin near.py --plugin worst.py --plugin polite.py --engine polite --workers 1 "
        "--benchmark poles --held-out 8 "
        f"--methods scratch multitask reptile near {TINY} --output out"
    )
    done = study(folder, line)
    assert done.returncode == 0, done.stdout + done.stderr
    root = folder / "out"
    assert methods_of(root) == {"random", "scratch", "multitask", "reptile", "near"}
    kinds = [json.loads(path.read_text())["spec"] for path in root.glob("jobs/*/job.json")]
    assert sum(spec["kind"] == "pretrain" for spec in kinds) == 2  # near shares multi-task's
    assert sum(spec.get("measure") == "worst" for spec in kinds) == 4
    page = (root / "report" / "report.html").read_text()
    assert "Multi-task, held near" in page
    assert "Pretraining helps the worst episode." in page
    recorded = json.loads((root / "study.json").read_text())["plugins"]
    assert recorded.keys() == {"poles.py", "near.py", "worst.py", "polite.py"}


def test_a_method_of_ones_own_on_a_built_in_benchmark_without_running_others_again(folder: Path) -> None:
    same = (
        f"--benchmark toy --preset quick --game visible-catch --held-out 20 --workers 0 {TINY} --output out"
    )
    assert study(folder, f"{same} --methods multitask").returncode == 0
    before = {path.name for path in (folder / "out" / "jobs").iterdir()}
    done = study(folder, f"--plugin near.py {same} --methods multitask near")
    assert done.returncode == 0, done.stdout + done.stderr
    after = {path.name for path in (folder / "out" / "jobs").iterdir()}
    assert before < after
    assert len(after - before) == 1  # near's own adaptation
    assert methods_of(folder / "out") == {"random", "multitask", "near"}


def test_a_method_of_ones_own_on_procgen(folder: Path) -> None:
    done = study(
        folder,
        "--plugin near.py --benchmark procgen --preset quick --methods multitask near --held-out 200001 "
        f"--train-sizes 4 --workers 0 {TINY} --output out",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    specs = [json.loads(path.read_text())["spec"] for path in (folder / "out").glob("jobs/*/job.json")]
    assert {spec["benchmark"] for spec in specs if "benchmark" in spec} == {"procgen"}
    assert [spec["paradigm"] for spec in specs if spec["kind"] == "pretrain"] == ["multitask"]
    assert {spec["paradigm"] for spec in specs if spec["kind"] == "adapt"} == {"multitask", "near"}
    assert {"multitask", "near"} <= methods_of(folder / "out")


def test_the_methods_term_is_half_the_squared_distance_times_its_coefficient(folder: Path) -> None:
    policy = torch.nn.Linear(3, 2)
    weights = {name: tensor - 2.0 for name, tensor in policy.state_dict().items()}  # 8 numbers, 2 away
    with torch.no_grad():
        loss, told = loaded_from(folder / "near.py").NearTheStart(weights, coef=0.25).term(policy, None)
    assert float(told["distance"]) == pytest.approx(8 * 4)
    assert float(loss) == pytest.approx(0.5 * 0.25 * 32)


def test_a_retention_of_ones_own_beside_every_other(folder: Path) -> None:
    line = (
        "--plugin l1.py --benchmark toy --preset quick --game visible-catch --held-out 20 --workers 1 "
        f"--methods multitask reptile --retain l1 l1+bc {TINY} --output out"
    )
    done = study(folder, line)
    assert done.returncode == 0, done.stdout + done.stderr
    arms = {f"{method}:gradient+{kept}" for method in ("multitask", "reptile") for kept in ("l1", "bc+l1")}
    assert methods_of(folder / "out") == {"random", "multitask", "reptile", *arms}
    specs = [json.loads(path.read_text())["spec"] for path in (folder / "out").glob("jobs/*/job.json")]
    assert sum(spec["kind"] == "pretrain" for spec in specs) == 2
    kept = [spec["retain"] for spec in specs if "l1" in spec.get("retain", {})]
    assert [one["l1"] for one in kept] == [{"version": 1, "coef": 1e-3}] * 4
    assert sorted(len(one) for one in kept) == [2, 2, 3, 3]  # the drift is measured beside each
    page = (folder / "out" / "report" / "report.html").read_text()
    assert "Multi-task + fine-tuning, BC + L1" in page
    without = study(folder, line.removeprefix("--plugin l1.py "))
    assert without.returncode == 2
    assert without.stderr.startswith("study: unknown retention 'l1'; did you mean 'l2'? If it is your own")


def test_a_retentions_term_and_its_place_among_others(folder: Path) -> None:
    module = loaded_from(folder / "l1.py")
    kept = module.L1Config(coef=0.25).make()
    learner = SimpleNamespace(policy=torch.nn.Linear(3, 2))  # 8 numbers
    kept.prepare(learner, None, None)
    with torch.no_grad():
        for parameter in learner.policy.parameters():
            parameter -= 2.0
        loss, told = kept.term(learner.policy, None)
    assert (float(loss), float(told["distance"])) == pytest.approx((0.25 * 16, 16))
    assert Method.parse("multitask:gradient+l1+l2+bc").name == "multitask:gradient+bc+l2+l1"
    register(
        RetentionKind(
            name="a", label="A", config=module.L1Config, hook=type("A", (module.L1,), {"name": "a"})
        )
    )
    assert Method.parse("multitask:gradient+l1+a").retained == ("a", "l1")  # whatever was loaded first


def test_a_learner_of_ones_own_and_a_study_made_in_python(folder: Path) -> None:
    short = FILES["reinforce_study.py"].replace(
        "    config = replace(\n        QUICK,",
        "    quick = replace(QUICK, seeds=1, held_out=(8,))\n    config = replace(\n        quick,",
    )
    (folder / "reinforce_study.py").write_text(short)
    done = study(folder, "", sys.executable, "reinforce_study.py")
    assert done.returncode == 0, done.stdout + done.stderr
    assert methods_of(folder / "reinforce-study") == {"random", "scratch", "multitask", "reptile"}


def test_an_installed_package_brings_its_plug_in_to_every_study(folder: Path) -> None:
    site = folder / "site"  # as an installer leaves a wheel of two files
    package, info = site / "my_package", site / "my_package-0.3.dist-info"
    for path in (package, info):
        path.mkdir(parents=True)
    (package / "__init__.py").touch()
    (folder / "poles.py").rename(package / "poles.py")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 0.3\n")
    (info / "entry_points.txt").write_text("[fvm_study.plugins]\npoles = my_package.poles\n")
    env = {**ENV, "PYTHONPATH": str(site)}
    assert "benchmarks: poles" in study(folder, "--help", env=env).stdout
    again = "--plugin site/my_package/poles.py"  # the same file once more is no second plug-in
    line = f"{again} --benchmark poles --held-out 8 --workers 1 --methods multitask {TINY} --output out"
    done = study(folder, line, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    assert methods_of(folder / "out") == {"random", "multitask"}
    assert json.loads((folder / "out" / "study.json").read_text())["plugins"].keys() == {"my_package.poles"}
    (package / "poles.py").write_text("1 / 0\n")
    broken = study(folder, "--benchmark toy --output no", env=env)
    assert broken.returncode == 2
    assert "my_package.poles (entry point poles) cannot be loaded: ZeroDivisionError" in broken.stderr
    assert broken.stderr.count("\n") == 1


def test_a_source_that_changed_under_the_same_version_is_said(
    folder: Path, small_done: tuple[Plan, Store]
) -> None:
    plan, store = small_done
    assert sources_note(plan.jobs, store) == ""
    learned = [job for job in plan.jobs if job.kind in ("pretrain", "adapt")]
    before = {job.key: store.manifest(job) for job in learned[:2]}
    try:
        for job in learned[:2]:
            sources = {**before[job.key]["sources"], "fvm_meta": "0" * 64}
            write_manifest(store, job, {**before[job.key], "sources": sources})
        note = sources_note(plan.jobs, store)
    finally:
        for job in learned[:2]:
            write_manifest(store, job, before[job.key])
    said = "The source is another now, of the same version, which promises the same results: "
    said += f"fvm_meta (2 of {len(plan.jobs)} jobs)."
    assert note.startswith(said)
    assert sources_note(plan.jobs, store) == ""


def write_manifest(store: Store, job: Job, manifest: dict[str, Any]) -> None:
    path = store.folder(job) / "manifest.json"
    costs = json.loads(path.read_text())["files"].get("costs.json", "")
    path.write_bytes(manifest_bytes(manifest, costs))
    store.forget(job)


def test_a_plug_ins_source_is_called_by_its_file_wherever_it_lies(folder: Path) -> None:
    assert name_of(loaded_from(folder / "near.py").Near) == "near.py"
    (folder / "elsewhere").mkdir()
    moved = (folder / "near.py").rename(folder / "elsewhere" / "near.py")
    del registered().methods["near"]
    near = loaded_from(moved).Near
    assert name_of(near) == "near.py"
    assert name_of(MultiTask) == "fvm_meta"


def test_a_file_is_one_plug_in_by_whatever_names_it_is_loaded(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "both.py").write_text("import poles\nfrom near import Near\n")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for order in ("poles.py near.py both.py", "both poles.py near", "near.py ./near.py poles both.py"):
        plugins.load(order.split())
        for name in ("poles", "near", "both"):
            assert Path(str(sys.modules.pop(name).__file__)).parent == folder
            del plugins._loaded[name]
    assert "poles" in registered().benchmarks
    assert registered().methods["near"].paradigm.__module__ == "near"


def test_a_dry_run_knows_plug_ins(folder: Path) -> None:
    line = "--plugin poles.py --plugin near.py --benchmark poles --methods near --workers 1 --dry-run"
    shown = study(folder, f"{line} --output out")
    assert shown.returncode == 0, shown.stderr
    assert "adapt (near)" in shown.stdout
    assert "give or take a third" in shown.stdout


def test_a_file_that_is_loaded_again_replaces_its_records(folder: Path) -> None:
    path = folder / "near.py"
    first = loaded_from(path).Near
    assert registered().methods["near"].paradigm is first
    second = loaded_from(path).Near
    assert registered().methods["near"].paradigm is second is not first
    (folder / "other.py").write_text(FILES["near.py"])
    with pytest.raises(ValueError, match="there is a method 'near' already"):
        loaded_from(folder / "other.py")
    twice = FILES["near.py"].replace('"near"', '"twice"') + "\nregister(registered().methods['twice'])\n"
    (folder / "twice.py").write_text(twice.replace("import MethodKind,", "import registered, MethodKind,"))
    with pytest.raises(ValueError, match="there is a method 'twice' already"):
        loaded_from(folder / "twice.py")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("--plugin nowhere.py --benchmark toy", "--plugin nowhere.py: there is no such file"),
        ("--plugin nowhere --benchmark toy", "the plug-in nowhere cannot be loaded: ModuleNotFoundError"),
        ("--plugin broken.py --benchmark toy", "ZeroDivisionError: division by zero (broken.py, line 5)"),
        ("--plugin fields.py --benchmark toy", "unexpected keyword argument 'env_step' (fields.py, line 2)"),
        ("--plugin near.py --benchmark poles", "If it is your own, name the plug-in that registers it"),
        ("--plugin leaves.py --benchmark toy", "leaves.py cannot be loaded: SystemExit: 3"),
        ("--plugin poles.py --benchmark pole", "unknown benchmark 'pole'; did you mean 'poles'?"),
        ("--plugin near.py --benchmark toy --methods nera", "unknown method 'nera'; did you mean 'near'?"),
        ("--plugin poles.py --benchmark poles --held-out 12", "the tasks are poles/cart/0 to poles/cart/9"),
    ],
)
def test_what_is_wrong_with_a_plug_in_is_one_sentence(folder: Path, line: str, words: str) -> None:
    (folder / "broken.py").write_text("import json\n\n\ndef f():\n    1 / 0\n\n\nf()\n")
    (folder / "fields.py").write_text("from study.config import Phase\nPhase(env_step=1)\n")
    (folder / "leaves.py").write_text("raise SystemExit(3)\n")
    done = study(folder, f"{line} --output out")
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (folder / "out").exists()


def test_help_lists_what_plug_ins_bring(folder: Path) -> None:
    shown = study(folder, "--plugin poles.py --plugin near.py --help")
    assert shown.returncode == 0
    assert "benchmarks: poles" in shown.stdout
    assert "methods: near" in shown.stdout


@pytest.mark.parametrize("name", ["a:b", "a+b", "a@b", "a b", "a/b", ""])
def test_names_that_would_be_read_as_something_else_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be the name of a measure"):
        register(Measure(name=name))


def test_a_name_that_is_taken_is_refused() -> None:
    with pytest.raises(ValueError, match="there is a method 'multitask' already"):
        register(registered().methods["multitask"])
    with pytest.raises(TypeError, match="takes records"):
        register("multitask")  # type: ignore[arg-type]


def test_without_a_version_the_source_is_the_version(tmp_path: Path) -> None:
    def load(text: str) -> object:
        path = tmp_path / "mine.py"
        path.write_text(text)
        source_hash.cache_clear()
        return version_of(loaded_from(path).play)

    first = load('"""One."""\ndef play(agent, context):\n    return []\n')
    assert (
        load('"""Two."""\n\n\ndef play(agent, context):  # a comment\n    """Three."""\n    return []\n')
        == first
    )
    assert load("def play(agent, context):\n    return [1]\n") != first


def test_a_version_that_is_inherited_is_not_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "from fvm_meta import MultiTask\n\nclass A(MultiTask):\n    pass\n\nclass B(A):\n    version = 3\n"
    )
    module = loaded_from(path)
    assert str(version_of(module.A)).endswith("+1")
    assert version_of(module.B) == 3


def test_a_plug_in_of_an_unknown_name_says_what_there_is() -> None:
    with pytest.raises(StudyError, match="there is no such file"):
        plugins.load(["./no/such.py"])


def test_a_measure_of_a_plug_in_adds_jobs_and_changes_none(small: StudyConfig) -> None:
    before = {job.key for job in make_plan(small).jobs}
    measure = Measure(name="tried", version=1, play=lambda agent, context: [])
    registered().measures["tried"] = measure
    try:
        after = {job.key for job in make_plan(small).jobs}
    finally:
        del registered().measures["tried"]
    assert before < after
    assert isinstance(registered().methods["multitask"], MethodKind)
