"""The network of patches: which output is which voxel, forwards and backwards."""

import torch
import torch.nn.functional as F
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


def test_the_network_is_the_one_of_its_module_written_plainly():
    """Padded by torch, nearest neighbours by repeating, in double precision."""
    network = PatchNetwork(8, 8, 3, "zeros", rng(), 20, latent_size=5)
    with torch.no_grad():
        for parameter in network.parameters():  # none of them 0
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=rng()))
    state = {name: tensor.double() for name, tensor in network.state_dict().items()}
    shapes, drawn = ((2, 4, 4, 4, 56), (2, 3), (2, 5)), rng()
    grid, told, latent = (torch.randn(shape, generator=drawn) for shape in shapes)

    def dense(name, x, active=True):
        y = x @ state[f"{name}.weight"].T + state[f"{name}.bias"]
        return F.leaky_relu(y, 0.02) if active else y

    def conv(name, x, stride=1):
        y = F.conv3d(x, state[f"{name}.weight"], state[f"{name}.bias"], stride=stride, padding=1)
        return F.leaky_relu(y, 0.02)

    known = torch.cat((told.double(), dense("encoder.latent", latent.double())), dim=1)
    entry = dense("encoder.patch", grid.double().view(2, 64, 56), active=False) + state["place"]
    entry = F.leaky_relu(entry + dense("encoder.low_dim", known, active=False)[:, None], 0.02)
    x = entry.transpose(1, 2).reshape(2, 8, 4, 4, 4)
    x = x + conv("encoder.fine", x)
    down = conv("encoder.down", x, stride=2)
    down = down + conv("encoder.coarse", down)
    pooled = torch.cat((down.flatten(2).amax(2), down.flatten(2).mean(2)), dim=1)
    whole = dense("encoder.whole", pooled)
    up = dense("encoder.up", (down + whole[:, :, None, None, None]).movedim(1, -1), active=False)
    up = up.movedim(-1, 1).repeat_interleave(2, 2).repeat_interleave(2, 3).repeat_interleave(2, 4)
    y = x + up
    y = y + conv("encoder.join", y)
    features = dense("encoder.features", torch.cat((x, y), dim=1).movedim(1, -1))
    eight = dense("head.translation", features, active=False).view(2, 4, 4, 4, 2, 2, 2)
    q = eight.permute(0, 1, 4, 2, 5, 3, 6).reshape(2, 512)
    at = features[:, 2, 0, 3]  # of voxel (5, 0, 7), the sixth of its patch
    sub = F.one_hot(torch.tensor([5, 5]), 8).double()
    hidden = dense("head.two", dense("head.one", torch.cat((at, sub, whole, known), dim=1)))
    values = dense("head.rotation", hidden, active=False)

    voxel = torch.tensor([5 * 64 + 7] * 2)
    for dtype, close in ((torch.float32, 1e-6), (torch.float64, 1e-12)):  # as parts of the largest value
        found, kept = network.to(dtype)(grid.to(dtype), told.to(dtype), latent.to(dtype))
        for came, expected in ((found, q), (network.values(kept, voxel), values)):
            torch.testing.assert_close(
                came.double(), expected, atol=close * float(expected.abs().max()), rtol=0
            )
