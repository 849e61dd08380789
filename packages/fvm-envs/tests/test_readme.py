import re
from pathlib import Path

import pytest

README = (Path(__file__).parent.parent / "README.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


@pytest.mark.parametrize(
    "example",
    [
        pytest.param(EXAMPLES[0], marks=pytest.mark.procgen),
        pytest.param(EXAMPLES[1], marks=pytest.mark.manipulation),
        *EXAMPLES[2:],
    ],
)
def test_the_examples_of_the_readme_run(example):
    assert len(example.splitlines()) <= 16
    exec(compile(example, "README.md", "exec"), {})
