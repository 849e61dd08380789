"""A script that knows Gymnasium and torch alone trains on our environments."""

import runpy
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parent.parent / "benchmarks" / "cleanrl_procgen.py"


@pytest.mark.filterwarnings("ignore")
def test_it_trains_on_procgen(capsys):
    main = runpy.run_path(str(SCRIPT))["main"]
    returns = main(env_steps=3 * 8 * 40, num_envs=8, num_steps=40, num_minibatches=4, seed=1)
    assert len(returns) > 0
    assert set(np.unique(returns)) <= {0.0, 10.0}  # the game's own, not the normalised ones
    assert "960 env steps: mean return" in capsys.readouterr().out
