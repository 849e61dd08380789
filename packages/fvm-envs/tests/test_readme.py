import re
from pathlib import Path

import pytest
from fvm_envs.suite import SUITES
from fvm_envs.toy import FAMILIES

README = (Path(__file__).parent.parent / "README.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


BENCHMARKS = {"procgen/": "procgen", "atari/": "atari", "rlbench/": "manipulation"}


def marks_of(example):
    return [getattr(pytest.mark, mark) for text, mark in BENCHMARKS.items() if text in example]


@pytest.mark.parametrize("example", [pytest.param(text, marks=marks_of(text)) for text in EXAMPLES])
def test_the_examples_of_the_readme_run(example):
    assert len(example.splitlines()) <= 17
    exec(compile(example, "README.md", "exec"), {})


def test_the_readme_names_every_family_of_tasks():
    table = README.partition("## Tasks")[2].partition("##")[0]
    families = {f"toy/{name}" for name in FAMILIES} | set(SUITES) - {"toy"}
    assert sorted(name for name in families if f"`{name}/" not in table) == []
