"""The network of patches: which output is which voxel, forwards and backwards."""

import torch
from fvm_learners.c2f_arm.patch import InVoxelOrder, PatchNetwork


def rng():
    return torch.Generator().manual_seed(0)


def test_a_patch_networks_values_belong_to_their_voxels():
    """Q of sub-voxel s is output s of its patch: with a bias of s each voxel says its place in its patch."""
    network = PatchNetwork(8, 8, 4, "zeros", rng(), 0)
    with torch.no_grad():
        network.head["translation"].bias.copy_(torch.arange(8))
    q, _ = network(torch.rand(1, 4, 4, 4, 56), torch.rand(1, 4))
    x, y, z = torch.meshgrid(*[torch.arange(8)] * 3, indexing="ij")
    torch.testing.assert_close(q.view(8, 8, 8), (x % 2 * 4 + y % 2 * 2 + z % 2).float())


def test_q_in_voxel_order_takes_its_gradient_back_to_the_patches():
    q = torch.randn(2, 64, requires_grad=True)
    weights = torch.randn(2, 64)
    x, y, z = torch.meshgrid(*[torch.arange(4)] * 3, indexing="ij")
    at = ((x // 2 * 2 + y // 2) * 2 + z // 2) * 8 + x % 2 * 4 + y % 2 * 2 + z % 2  # patch by patch
    ordered = InVoxelOrder.apply(q, 4)
    assert torch.equal(ordered, q[:, at.flatten()])
    (ordered * weights).sum().backward()
    assert torch.equal(q.grad[:, at.flatten()], weights)


def test_a_new_patch_network_values_nothing():
    network = PatchNetwork(8, 8, 4, "zeros", rng(), 218)
    q, features = network(torch.rand(1, 4, 4, 4, 56), torch.rand(1, 4))
    assert not q.any()
    assert not network.values(features, torch.tensor([5])).any()


def test_rotation_is_read_at_the_chosen_voxel_alone():
    """Another voxel of the patch has other values; one that is far away and another sample change nothing."""
    network = PatchNetwork(8, 8, 4, "zeros", rng(), 5)
    with torch.no_grad():
        network.head["rotation"].weight.normal_(generator=rng())
    _, (local, whole) = network(torch.rand(2, 4, 4, 4, 56), torch.rand(2, 4))
    values = network.values((local, whole), torch.tensor([0, 511]))
    assert values.shape == (2, 5)
    assert not torch.equal(network.values((local, whole), torch.tensor([1, 511]))[0], values[0])
    elsewhere = local.clone()
    elsewhere[0, 1:] += 1  # voxel 0 lies in patch 0
    elsewhere[1, :-1] += 1  # voxel 511 in the last
    torch.testing.assert_close(network.values((elsewhere, whole), torch.tensor([0, 511])), values)
