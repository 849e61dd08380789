import re
from pathlib import Path

import pytest

README = (Path(__file__).parent.parent / "README.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


BENCHMARKS = {"procgen/": "procgen", "atari/": "atari", "rlbench/": "manipulation"}


def marks_of(example):
    return [getattr(pytest.mark, mark) for text, mark in BENCHMARKS.items() if text in example]


@pytest.mark.parametrize("example", [pytest.param(text, marks=marks_of(text)) for text in EXAMPLES])
def test_the_examples_of_the_readme_run(example):
    assert len(example.splitlines()) <= 17
    exec(compile(example, "README.md", "exec"), {})
