"""Facts that hold for every package, and for every file of the repository."""

import ast
import re
import subprocess
import tomllib
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = sorted(
    path.parent for path in [*ROOT.glob("packages/*/pyproject.toml"), *ROOT.glob("apps/*/pyproject.toml")]
)
VAGUE_NAMES = {"utils", "util", "common", "helpers", "helper", "misc", "base"}
# A path below somebody's home folder or a well-known root, but not one inside a URL.
MACHINE_PATH = re.compile(
    r"""(?<![\w.$/{}~-])(/(?:home|root|Users|work|mnt|workspace)/[\w.]|[A-Z]:\\[\w.])"""
)


@cache
def files() -> tuple[Path, ...]:
    """Every file that is or will be in the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return tuple(ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file())


def text_of(path: Path) -> str:
    """The text of a file, empty for a picture."""
    data = path.read_bytes()
    return "" if b"\0" in data else data.decode()


def source(package: Path) -> Path:
    """The one importable folder of a package."""
    (folder,) = (path for path in (package / "src").iterdir() if path.suffix != ".egg-info")
    return folder


def modules() -> list[Path]:
    """All modules that are installed."""
    return [path for path in files() if path.suffix == ".py" and "src" in path.relative_to(ROOT).parts]


def test_there_are_four_packages_and_one_app():
    assert [package.name for package in PACKAGES] == [
        "study",
        "fvm-envs",
        "fvm-eval",
        "fvm-learners",
        "fvm-meta",
    ]


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_a_package_stands_alone(package):
    assert (package / "README.md").read_text().count("\n") > 5
    assert list(package.glob("tests/**/test_*.py"))
    assert (source(package) / "py.typed").exists()
    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    assert project["readme"] == "README.md"
    assert project["license"] == "MIT"


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_a_package_offers_about_a_dozen_names(package):
    body = ast.parse((source(package) / "__init__.py").read_text()).body
    values = [
        ast.literal_eval(node.value)
        for node in body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) == "__all__"
    ]
    assert len(values) == 1
    assert all(len(names) <= 13 and len(set(names)) == len(names) for names in values), values


def test_versions_agree():
    projects = [tomllib.loads((package / "pyproject.toml").read_text())["project"] for package in PACKAGES]
    (version,) = {project["version"] for project in projects}
    ours = {project["name"] for project in projects}
    for project in projects:
        for requirement in project["dependencies"]:
            name = re.match(r"[\w-]+", requirement)[0]
            assert name not in ours or requirement.endswith(f"=={version}"), requirement


def test_no_python_file_is_longer_than_400_lines():
    lengths = {
        str(path.relative_to(ROOT)): len(text_of(path).splitlines())
        for path in files()
        if path.suffix == ".py"
    }
    assert len(lengths) > 50
    assert {name: length for name, length in lengths.items() if length > 400} == {}


def test_every_module_says_what_it_is():
    silent = [
        str(path.relative_to(ROOT)) for path in modules() if not ast.get_docstring(ast.parse(text_of(path)))
    ]
    assert silent == []


def test_no_module_has_a_name_that_says_nothing():
    names = {
        part.removesuffix(".py").strip("_") for path in modules() for part in path.relative_to(ROOT).parts
    }
    assert names & VAGUE_NAMES == set()


def test_the_lock_is_up_to_date():
    locked = subprocess.run(["uv", "lock", "--check", "--offline"], cwd=ROOT, capture_output=True, text=True)
    if (
        "offline" in locked.stderr or "network was disabled" in locked.stderr
    ):  # a cache that never saw the lock
        locked = subprocess.run(["uv", "lock", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert locked.returncode == 0, locked.stderr


def test_only_the_lock_names_a_package_registry():
    lock = ROOT / "uv.lock"
    urls = re.findall(r'(?:registry|url) = "(https?://[^"]+)"', lock.read_text())
    hosts = {urlsplit(url).netloc for url in urls}
    assert hosts
    naming = {
        str(path.relative_to(ROOT))
        for path in files()
        if path != lock
        for host in hosts
        if host in text_of(path)
    }
    assert naming == set()


def test_no_file_holds_a_path_of_somebodys_machine():
    found = {
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in files()
        if path.name != "uv.lock" and path != Path(__file__)
        for match in MACHINE_PATH.finditer(text_of(path))
    }
    assert found == set()


@pytest.mark.parametrize(
    ("text", "is_path"),
    [
        ("open('/home/ann/x')", True),
        ("cd /home/bob/fvm", True),
        (r"C:\Users", True),
        ("https://example.org/home/ann", False),
        ("$HOME/fvm/x", False),
        ("src/home/x", False),
    ],
)
def test_a_path_of_a_machine_is_recognised(text, is_path):
    assert bool(MACHINE_PATH.search(text)) == is_path


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "CHANGELOG.md", "README.md"])
def test_a_page_names_only_what_there_is(page):
    for path, name in re.findall(
        r"`((?:packages|apps|tests)/[\w./-]+)(?:::(\w+))?`", (ROOT / page).read_text()
    ):
        assert (ROOT / path).exists(), path
        assert not name or re.search(rf"^(def |class )?{name}\b", (ROOT / path).read_text(), re.M), (
            f"{path}::{name}"
        )
