"""The README's own text runs, and its new paradigm does what it is for."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from fvm_meta import MultiTask

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def readme():
    blocks = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 3
    names = {"__name__": "readme"}  # dataclasses look their module up
    exec("\n".join(blocks), names)
    return names


def adapt(readme, paradigm, seed):
    *_, last = paradigm.adapt(readme["pretrained"], 25.0, readme["few"], np.random.default_rng(seed))
    return last


@pytest.mark.parametrize("seed", range(3))
def test_the_new_paradigm_stays_nearer_to_the_pretrained_weights_the_stronger_it_pulls(readme, seed):
    make, distance = (readme["make_learner"], readme["make_envs"]), readme["distance"]
    plain = distance(adapt(readme, MultiTask(*make), seed))
    weak, strong = (
        distance(adapt(readme, readme["L2SP"](*make, readme["L2SPConfig"](beta=beta)), seed))
        for beta in (0.1, 1)
    )
    assert 0 < strong < weak < plain


def test_without_a_pull_it_is_plain_fine_tuning_bit_for_bit(readme):
    make = (readme["make_learner"], readme["make_envs"])
    weights = adapt(readme, readme["L2SP"](*make, readme["L2SPConfig"](beta=0.0)), 0).policy.weights
    plain = adapt(readme, MultiTask(*make), 0).policy.weights
    assert all(torch.equal(weights[name], plain[name]) for name in plain)


def test_what_it_cannot_do_it_says(readme):
    with pytest.raises(ValueError, match=r"beta=-1\.0: give 0"):
        readme["L2SPConfig"](beta=-1.0)
    stream = readme["L2SP"](None, None, readme["L2SPConfig"]()).adapt(None, 25.0, readme["few"], None)
    with pytest.raises(ValueError, match="use Scratch"):
        next(stream)


def test_the_new_paradigm_is_some_30_lines():
    (paradigm,) = re.findall(r"^```python\n(from dataclasses.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert len([line for line in paradigm.splitlines() if line.strip()]) <= 30
