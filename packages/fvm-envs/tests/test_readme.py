import re
from pathlib import Path

import pytest


@pytest.mark.procgen
def test_the_example_of_the_readme_runs():
    text = (Path(__file__).parent.parent / "README.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    assert len(example.splitlines()) <= 16
    exec(compile(example, "README.md", "exec"), {})
