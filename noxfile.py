"""Every check of the project, one session each; `nox -l` lists them.

A package's tests run against its wheel, installed alone into a fresh environment, from a folder that holds
nothing but the tests: the workspace would hide an undeclared import, and a missing file of the wheel, such as
Procgen's library, which it finds elsewhere.
"""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from xml.etree import ElementTree

import nox

nox.needs_version = ">=2025.5"
nox.options.default_venv_backend = "uv"
nox.options.sessions = [
    "lint",
    "types",
    "imports",
    "tests",
    "numpy1",
    "gymnasium",
    "onnx",
    "oracle",
    "readme",
    "e2e",
]

ROOT = Path(__file__).parent
FOLDERS = {path.parent.name: path.parent for path in sorted(ROOT.glob("packages/*/pyproject.toml"))}
FOLDERS["fvm-study"] = ROOT / "apps" / "study"
MODULES = {name: "study" if name == "fvm-study" else name.replace("-", "_") for name in FOLDERS}
EXTRAS = {"fvm-envs": "[atari,manipulation,procgen]"}
# One thread, as in every executor of the study: 1 and 2 threads differ in bits, 2 on busy cores are slower.
# Bytecode is written: the tests start many processes, and each would compile torch and MLflow anew.
TEST_ENV = {"OMP_NUM_THREADS": "1", "PYTHONPATH": None, "PYTHONDONTWRITEBYTECODE": None}
DEV_ALONE = ["--only-group", "dev"]
PYTEST = ["pytest>=8.4", "pytest-xdist>=3.8"]
# Several tests at once. Each process begins with tests that stand together: they share what a fixture made.
SIDE_BY_SIDE = ["--numprocesses=auto", "--maxprocesses=4", "--dist=worksteal"]


@nox.session(venv_backend="none")
def lint(session: nox.Session) -> None:
    """Style and format of the whole tree."""
    workspace(session, "ruff", "check", groups=DEV_ALONE)
    workspace(session, "ruff", "format", "--check", groups=DEV_ALONE)


@nox.session(venv_backend="none")
def types(session: nox.Session) -> None:
    """Types of all packages."""
    workspace(session, "mypy")


@nox.session(venv_backend="none")
def imports(session: nox.Session) -> None:
    """The import contract between the packages."""
    workspace(session, "lint-imports", "--no-cache")


@nox.session
@nox.parametrize("package", [nox.param(name, id=name) for name in FOLDERS])
def tests(session: nox.Session, package: str) -> None:
    """Tests of a package's wheel, installed alone."""
    with outside(session) as folder:
        wheel, *needed = build_wheels(session, package, folder)
        session.install("--no-config", wheel, *needed)
        check_alone(session, package)
        with_extras = f"{package}{EXTRAS.get(package, '')} @ {Path(wheel).as_uri()}"
        session.install("--no-config", with_extras, *needed, *PYTEST)
        if package == "fvm-envs":
            check_alone(session, package, absent=["gym", "gym3", "procgen"])
            check_numpy(session, 2)
        run_tests(session, package, folder)


@nox.session
def numpy1(session: nox.Session) -> None:
    """Tests of fvm-envs with numpy 1.26, the lowest that it takes."""
    with outside(session) as folder:
        (wheel,) = build_wheels(session, "fvm-envs", folder)
        with_extras = f"fvm-envs{EXTRAS['fvm-envs']} @ {Path(wheel).as_uri()}"
        session.install("--no-config", with_extras, "numpy==1.26.*", *PYTEST)
        check_numpy(session, 1)
        run_tests(session, "fvm-envs", folder)


@nox.session
def gymnasium(session: nox.Session) -> None:
    """Tests of fvm-envs beside other people's families, wrappers and learners."""
    with outside(session) as folder:
        (wheel,) = build_wheels(session, "fvm-envs", folder)
        with_extras = f"fvm-envs[atari,manipulation,procgen,sb3] @ {Path(wheel).as_uri()}"
        # moviepy, for RecordVideo, wants an older pillow than the lock has.
        session.install("--no-config", with_extras, *group("gymnasium"), "moviepy>=2.1", *PYTEST)
        for module in ("cv2", "glfw", "minatar", "minigrid", "moviepy", "stable_baselines3"):
            session.run("python", "-c", f"import {module}")
        for file in ("test_wrappers.py", "test_sb3.py", "test_gymnasium_vec.py", "test_others_envs.py"):
            run_tests(session, "fvm-envs", folder, file)


@nox.session
def onnx(session: nox.Session) -> None:
    """An agent of fvm-learners as an ONNX file, run without torch."""
    with outside(session) as folder:
        (wheel,) = build_wheels(session, "fvm-learners", folder)
        session.install("--no-config", wheel, *group("onnx"), *PYTEST)
        for module in ("onnxscript", "onnxruntime"):
            session.run("python", "-c", f"import {module}")
        run_tests(session, "fvm-learners", folder, "test_modules.py")


@nox.session
def ray(session: nox.Session) -> None:
    """Workers on a Ray cluster of two nodes, one of which dies."""
    with outside(session) as folder:
        wheel, *needed = build_wheels(session, "fvm-study", folder)
        session.install("--no-config", f"fvm-study[ray] @ {Path(wheel).as_uri()}", *needed, *PYTEST)
        session.run("python", "-c", "import ray")
        run_tests(session, "fvm-study", folder, "test_ray.py", "--numprocesses=0")  # one cluster


@nox.session(venv_backend="none")
def slurm(session: nox.Session) -> None:
    """A worker that a real one-node Slurm preempts; skipped where Debian's packages are not."""
    if not all(map(shutil.which, ("slurmctld", "slurmd", "munged"))):
        session.skip("needs root and Debian's slurmctld, slurmd, slurm-client and munge")
    workspace(session, "python", "benchmarks/slurm.py")


@nox.session
def oracle(session: nox.Session) -> None:
    """Aggregates of fvm-eval against rliable 1.2.0, which needs pandas 2 and so is in no lock of ours.

    The same file is skipped wherever rliable is absent; here that would be a failure.
    """
    with outside(session) as folder:
        (wheel,) = build_wheels(session, "fvm-eval", folder)
        session.install("--no-config", wheel, "rliable==1.2.0", "pandas<3", *PYTEST)
        session.run("python", "-c", "import rliable")
        run_tests(session, "fvm-eval", folder, "statistics/test_rliable.py")


@nox.session(venv_backend="none")
def readme(session: nox.Session) -> None:
    """Examples of the root README; those of the packages are among their own tests."""
    workspace(session, "pytest", "tests/test_readme.py", *session.posargs)


@nox.session(venv_backend="none")
def e2e(session: nox.Session) -> None:
    """The packaging contract, and commands as a user runs them."""
    workspace(
        session,
        "pytest",
        "tests",
        "apps/study/tests",
        "-m",
        "e2e and not learning",
        *SIDE_BY_SIDE,
        *session.posargs,
    )


@nox.session(venv_backend="none")
def learning(session: nox.Session) -> None:
    """Trains for minutes, and writes what came of it to docs/learning-results.md."""
    folders = ["tests", *(str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("*/*/tests")))]
    with tempfile.TemporaryDirectory() as folder:
        xml = Path(folder) / "junit.xml"
        report = [f"--junitxml={xml}", "-o", "junit_logging=system-out"]
        marked = ["-m", "learning", *report, *session.posargs]
        groups = ["--group", "gymnasium"]  # MinAtar
        passed = workspace(session, "pytest", *folders, *marked, groups=groups, success_codes=[0, 1])
        if not passed or not xml.exists():
            session.error("pytest did not run")
        page = ROOT / "docs" / "learning-results.md"
        failed = write_learning_results(xml, page, partial=bool(session.posargs))
    if failed:
        session.error(f"{failed} learning tests failed; see docs/learning-results.md")


def workspace(
    session: nox.Session,
    *command: str,
    groups: Sequence[str] = (),
    success_codes: Sequence[int] = (0,),
) -> object:
    """Runs a command in the environment of the lock; `groups` are options of uv that add to it."""
    return session.run(
        "uv", "run", "--frozen", *groups, *command, external=True, env=TEST_ENV, success_codes=success_codes
    )


def group(name: str) -> list[str]:
    """The requirements of a dependency group of the workspace."""
    groups: dict[str, list[str]] = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    return groups[name]


def load_project(package: str) -> dict:
    """The `[project]` table of a package."""
    return tomllib.loads((FOLDERS[package] / "pyproject.toml").read_text())["project"]


def needs(package: str) -> list[str]:
    """The package itself and the packages of this workspace that it says it depends on."""
    found = [package]
    for name in found:
        for requirement in load_project(name)["dependencies"]:
            found += [other for other in FOLDERS if requirement.startswith(other) and other not in found]
    return found


@contextmanager
def outside(session: nox.Session) -> Iterator[Path]:
    """A fresh working directory that is no part of the workspace, for all that the session writes."""
    temporary = tempfile.TemporaryDirectory(prefix="fvm-", ignore_cleanup_errors=True)
    with temporary as name, session.chdir(name):
        yield Path(name).resolve()


def build_wheels(session: nox.Session, package: str, folder: Path) -> list[str]:
    """Paths of the wheels of `needs(package)`, in that order."""
    wheels = []
    for name in needs(package):
        into = folder / "wheels" / name
        command = ["uv", "build", "--quiet", "--wheel", "--package", name, "--out-dir", str(into), str(ROOT)]
        session.run(*command, external=True)
        wheels += [str(wheel) for wheel in into.glob("*.whl")]
    return wheels


def check_alone(session: nox.Session, package: str, absent: Sequence[str] = ()) -> None:
    """Fails unless the environment has the wheels of `needs(package)` and no other package of ours."""
    present = [MODULES[name] for name in needs(package)]
    others = [module for module in MODULES.values() if module not in present]
    script = str(ROOT / "tests" / "alone.py")
    session.run("python", script, *present, "--without", *others, *absent, env=TEST_ENV)


def check_numpy(session: nox.Session, major: int) -> None:
    """Fails unless numpy's major version is the one this session is there to test."""
    code = f"import numpy; print('numpy', numpy.__version__); assert numpy.__version__.startswith('{major}.')"
    session.run("python", "-c", code)


def run_tests(session: nox.Session, package: str, folder: Path, file: str = "", *options: str) -> None:
    """Runs a copy of a package's tests, or one file of them, where nothing else of the source tree is."""
    here, temporary = folder / package, folder / "tmp"
    for path in (here, temporary):
        path.mkdir(exist_ok=True)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(FOLDERS[package] / "tests", here / "tests", ignore=ignored, dirs_exist_ok=True)
    shutil.copy(FOLDERS[package] / "README.md", here)
    if package == "fvm-study":  # its examples are run
        shutil.copy(ROOT / "docs" / "plugins.md", here)
    session.run(
        "pytest",
        f"--config-file={ROOT / 'pyproject.toml'}",
        f"--rootdir={here}",
        "-m",
        "not learning and not e2e",
        str(here / "tests" / file),
        *SIDE_BY_SIDE,
        *options,
        *session.posargs,
        env={**TEST_ENV, "TMPDIR": str(temporary)},
    )


def write_learning_results(xml: Path, page: Path, *, partial: bool) -> int:
    """Writes a row a test and returns how many failed; after a partial run the other tests' rows stay."""
    rows = {}
    if partial and page.exists():
        rows = {line.split(" | ")[0]: line for line in page.read_text().splitlines() if line[:3] == "| `"}
    failed = 0
    for case in ElementTree.parse(xml).iter("testcase"):
        kinds = {child.tag for child in case}
        if "skipped" in kinds:
            continue
        wrong = [*case.iter("failure"), *case.iter("error")]
        failed += bool(wrong)
        lines = [line.strip() for line in (case.findtext("system-out") or "").splitlines()]
        said = [line for line in lines if line and not line.startswith("-----")]
        said += [(each.get("message") or "").partition("\n")[0] for each in wrong]
        name = f"| `{case.get('classname')}::{case.get('name')}`"
        shown = "<br>".join(said).replace("|", "\\|")
        seconds = f"{float(case.get('time', 0)):.0f}"
        rows[name] = f"{name} | {'failed' if wrong else 'passed'} | {shown} | {seconds} | {date.today()} |"
    machine = f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores"
    head = [
        "# Results of the learning tests",
        "",
        f"Written by `uv run nox -s learning` ({machine}, one thread a process). `uv run nox -s learning --",
        "-k pearl` runs a part of the tests; the other rows then stay as they were. A row is of the code of",
        "its date; a learning test without a row has not been run to its end.",
        "",
        "| test | result | what it measured | seconds | date |",
        "|---|---|---|---|---|",
    ]
    page.parent.mkdir(exist_ok=True)
    page.write_text("\n".join([*head, *(rows[name] for name in sorted(rows))]) + "\n")
    return failed
