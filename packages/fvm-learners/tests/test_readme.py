import re
from pathlib import Path

README = (Path(__file__).parent.parent / "README.md").read_text()
EXAMPLE = re.findall(r"```python\n(.*?)```", README, re.DOTALL)[0]


def test_the_example_solves_cartpole():
    names: dict = {}
    exec(EXAMPLE, names)
    assert names["mean"] >= 475


def test_the_example_is_short():
    assert len([line for line in EXAMPLE.splitlines() if line.strip()]) <= 15
