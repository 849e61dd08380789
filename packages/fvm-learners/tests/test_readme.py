import re
from pathlib import Path

README = (Path(__file__).parent.parent / "README.md").read_text()
PPO, RAINBOW, C2FARM = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_ppos_example_solves_cartpole():
    names: dict = {}
    exec(PPO, names)
    assert names["mean"] >= 475


def test_rainbows_example_balances_the_pole_for_100_steps():
    names: dict = {}
    exec(RAINBOW, names)
    assert names["mean"] >= 100


def test_the_examples_are_short():
    for example in (PPO, RAINBOW, C2FARM):
        assert len([line for line in example.splitlines() if line.strip()]) <= 15
