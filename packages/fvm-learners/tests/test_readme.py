import re
from pathlib import Path

README = (Path(__file__).parent.parent / "README.md").read_text()
PPO, RAINBOW, C2FARM, AGENT, PLAIN_TORCH, HOOK = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_ppos_example_solves_cartpole():
    names: dict = {}
    exec(PPO, names)
    assert names["mean"] >= 475
    exec(AGENT, names)  # which goes on from the first
    assert names["total"] >= 100
    exec(PLAIN_TORCH, names)
    shown = names["torch"].from_numpy(names["obs"])[None]
    expected = names["ppo"].policy(shown)[0].log_probs.exp()[0, 1]
    assert abs(float(names["logits"].detach().softmax(-1)[1]) - float(expected.detach())) < 1e-5
    exec(HOOK, names)
    assert names["decayed"].iteration(names["envs"]).metrics["l2/loss"] > 0


def test_rainbows_example_balances_the_pole_for_100_steps():
    names: dict = {}
    exec(RAINBOW, names)
    assert names["mean"] >= 100


def test_the_examples_are_short():
    for example in (PPO, RAINBOW, C2FARM, AGENT, PLAIN_TORCH, HOOK):
        assert len([line for line in example.splitlines() if line.strip()]) <= 16
