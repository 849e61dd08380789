import pytest
import torch
from fvm_learners.c2f_arm.inception import (
    InceptionNetwork,
)
from fvm_learners.c2f_arm.patch import PatchNetwork


def rng():
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("kind", [InceptionNetwork, PatchNetwork])
@pytest.mark.parametrize("latent", [0, 3])
def test_shapes(kind, latent):
    network = kind(8, 8, 4, "zeros", rng(), 218, latent)
    grid = torch.rand(2, 4, 4, 4, 56) if network.kind == "patch" else torch.rand(2, 8, 8, 8, 10)
    q, features = network(grid, torch.rand(2, 4), torch.rand(2, 3) if latent else None)
    assert q.shape == (2, 512)
    assert network.values(features, torch.tensor([0, 511])).shape == (2, 218)
