"""What pages say of each other, of reports and of commands: links, options, intervals, rules that fail."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results"
PAGES = sorted(
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
)
NUMBER = r"[-−+]?\d*\.?\d+"
TRIPLE = re.compile(rf"({NUMBER})(?:\*\*)? (?:points )?\[({NUMBER}), ({NUMBER})\]")
COMMANDS = ("", "tune", "work", "status", "report", "agents", "stop", "slurm", "export", "import")

pytestmark = pytest.mark.e2e


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def triples(page: Path) -> set[tuple[float, ...]]:
    """Returns every mean with its interval on a page."""
    text = " ".join(page.read_text().split())
    return {tuple(float(number.replace("−", "-")) for number in found) for found in TRIPLE.findall(text)}


def anchors(page: Path) -> set[str]:
    """Returns the names by which a page's headings are linked."""
    heads = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.strip().lower()).replace(" ", "-") for head in heads}


@cache
def options() -> frozenset[str]:
    """Returns what `study`, its commands and `fvm-eval` take."""
    found: set[str] = set()
    env = {**os.environ, "COLUMNS": "200"}
    for command in (*(["study", *name.split()] for name in COMMANDS), ["fvm_eval"]):
        done = subprocess.run(
            [sys.executable, "-m", *command, "--help"], capture_output=True, text=True, check=True, env=env
        )
        found |= set(re.findall(r"--[a-z][\w-]*", done.stdout))
    return frozenset(found)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for link in re.findall(r"""(?:\]\(|(?:src|srcset|href)=")([^)"\s]+)""", text):
        if not re.match(r"\w+:", link):
            path, _, anchor = link.partition("#")
            target = (page.parent / path).resolve() if path else page
            assert target.exists(), link
            assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_take_the_options_that_pages_give_them(page: Path) -> None:
    blocks = "\n".join(re.findall(r"```(?:\w*)\n(.*?)```", page.read_text(), flags=re.DOTALL))
    spans = "\n".join(re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)))
    lines = (blocks + "\n" + spans).replace("\\\n", " ").splitlines()
    ours = [line for line in lines if re.match(r"\s*(?:\$ )?(?:uv run )?(?:study|fvm-eval) ", line)]
    given = {option for line in ours for option in re.findall(r"(?<!\S)--[a-z][\w-]*", line)}
    assert sorted(given - options()) == [] if given else True


def test_intervals_on_front_pages_stand_on_a_study_s_own_page() -> None:
    known = set().union(*(triples(page) for page in RESULTS.rglob("*.md")))
    known |= {(-mean, -high, -low) for mean, low, high in known}  # a difference the other way round
    for page in (ROOT / "README.md", ROOT / "docs" / "retention.md"):
        found = triples(page)
        assert len(found) > 5
        assert sorted(found - known) == []


@pytest.mark.parametrize("report", sorted(RESULTS.rglob("report.json")), ids=name_of)
def test_a_rule_that_fails_is_said_on_the_page(report: Path) -> None:
    page = next(folder / "README.md" for folder in report.parents if (folder / "README.md").exists())
    text = page.read_text()
    checks = json.loads(report.read_text())["checks"]
    failing = [check["rule"] for check in checks if check["status"] == "fails"]
    assert [rule for rule in failing if not re.search(rf"[Rr]ule {rule}\b", text)] == []
