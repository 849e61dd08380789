"""What an import loads, and that the names which are loaded late are there."""

import subprocess
import sys

import fvm_learners
import fvm_learners.ppo
import fvm_learners.rainbow
import fvm_learners.replay
import pytest


@pytest.mark.parametrize(
    "statement",
    [
        "from fvm_learners.ppo.config import PPOConfig",
        "from fvm_learners.rainbow.config import RainbowConfig",
        "from fvm_learners import PPOConfig, RainbowConfig, SMALL_CPU, DATA_EFFICIENT",
        "from fvm_learners.rainbow import SMALL",
    ],
)
def test_a_config_loads_no_torch(statement):
    code = f"import sys\n{statement}\nassert 'torch' not in sys.modules, 'torch was loaded'"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "module", [fvm_learners, fvm_learners.ppo, fvm_learners.rainbow, fvm_learners.replay]
)
def test_every_exported_name_is_there(module):
    assert module.__all__
    for name in module.__all__:
        assert getattr(module, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        module.nothing  # noqa: B018


def test_presets_name_encoders_that_exist():
    from fvm_learners.networks.encoders import IMAGE_ENCODERS
    from fvm_learners.ppo.config import NETWORKS
    from fvm_learners.rainbow.config import ENCODERS

    assert set(NETWORKS) | set(ENCODERS) == {"mlp", *IMAGE_ENCODERS}
