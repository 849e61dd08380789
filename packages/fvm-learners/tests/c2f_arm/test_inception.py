"""ARM's network: its published numbers of parameters, and its fused pieces against torch's single ones."""

import math

import pytest
import torch
import torch.nn.functional as F
from fvm_learners.c2f_arm.inception import (
    SLOPE,
    Inception,
    InceptionNetwork,
    ReplicatePad,
    convolved,
    num_parameters,
    summary,
)


def rng():
    return torch.Generator().manual_seed(0)


def test_arms_numbers_of_parameters():
    assert num_parameters(InceptionNetwork(16, 64, 4, "replicate", rng(), 0)) == 879_105
    assert num_parameters(InceptionNetwork(16, 64, 4, "replicate", rng(), 218)) == 1_186_011


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("padding", ["replicate", "zeros"])
def test_the_fused_block_is_the_block_of_single_convolutions(padding, dtype):
    block = Inception(10, 16, padding, rng(), constant=6).to(dtype)
    x, constant = 0.1 * torch.randn(2, 10, 8, 8, 8, dtype=dtype), 0.1 * torch.randn(2, 6, dtype=dtype)
    close = 1e-5 if dtype == torch.float32 else 1e-12

    def act(y):
        return F.leaky_relu(y, SLOPE)

    def conv3(y, layer):
        y = F.pad(y, (1,) * 6, mode="replicate" if padding == "replicate" else "constant")
        return act(F.conv3d(y, layer.weight, layer.bias))

    whole = torch.cat((x, constant[:, :, None, None, None].expand(-1, -1, 8, 8, 8)), dim=1)
    one, two, three = (
        act(F.conv3d(whole, weight, bias))
        for weight, bias in zip(block.entry.split([8, 32, 32]), block.bias.split([8, 32, 32]), strict=True)
    )
    expected = torch.cat((one, conv3(two, block.one), conv3(conv3(three, block.two[0]), block.two[1])), dim=1)
    torch.testing.assert_close(block(x, constant), expected, atol=close, rtol=close)


def test_the_network_is_the_one_of_the_paper_written_plainly():
    """Every convolution by itself, low-dimensional state and latent as channels, in double precision."""
    network = InceptionNetwork(8, 8, 3, "replicate", rng(), 20, latent_size=5)
    grid, told, latent = torch.rand(2, 8, 8, 8, 10), torch.randn(2, 3), torch.randn(2, 5)
    state = {name: tensor.double() for name, tensor in network.state_dict().items()}

    def layer(name, x, active=True):
        weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
        y = (
            F.linear(x, weight, bias)
            if x.ndim == 2
            else F.conv3d(F.pad(x, (1,) * 6, "replicate"), weight, bias)
        )
        return F.leaky_relu(y, 0.02) if active else y

    def inc(name, x):
        entry, bias = state[f"{name}.entry"], state[f"{name}.bias"]
        sizes = [len(entry) - 64, 32, 32]
        half, one, two = (
            F.leaky_relu(F.conv3d(x, w, b), 0.02)
            for w, b in zip(entry.split(sizes), bias.split(sizes), strict=True)
        )
        two = layer(f"{name}.two.1", layer(f"{name}.two.0", two))
        return torch.cat((half, layer(f"{name}.one", one), two), dim=1)

    def up(name, x):
        return inc(f"{name}.after", F.interpolate(inc(f"{name}.before", x), scale_factor=2, mode="trilinear"))

    constant = torch.cat(
        (layer("encoder.low_dim", told.double()), layer("encoder.latent", latent.double())), dim=1
    )
    x = inc("encoder.grid", grid.double().permute(0, 4, 1, 2, 3))
    x = torch.cat((x, constant[:, :, None, None, None].expand(-1, -1, 8, 8, 8)), dim=1)
    d0 = inc("encoder.d0", x)
    d1 = inc("encoder.d1", F.max_pool3d(d0, 3, stride=2, padding=1))
    d2 = inc("encoder.d2", F.max_pool3d(d1, 3, stride=2, padding=1))
    u1 = up("encoder.u1", torch.cat((d1, up("encoder.u2", d2)), dim=1))
    f1 = layer("encoder.f1", torch.cat((d0, u1), dim=1))
    q = layer("head.translation", f1, active=False).flatten(1)
    values = torch.cat([summary(part.float()) for part in (d0, d1, d2, f1)], dim=1).double()
    for i, active in enumerate((True, True, False)):
        values = layer(f"head.rotation.{i}", values, active)

    found, features = network(grid, told, latent)
    torch.testing.assert_close(found.double(), q, atol=1e-5, rtol=1e-4)
    own = network.values(features, torch.zeros(2, dtype=torch.long))
    torch.testing.assert_close(own.double(), values, atol=1e-4, rtol=1e-3)


def test_soft_argmax_finds_a_peak():
    x = torch.zeros(1, 2, 5, 5, 5)
    x[0, 0, 4, 2, 0], x[0, 1, 0, 0, 3] = 1.0, 2.0
    expected = torch.tensor([[1.0, 0.0, -1.0, -1.0, -1.0, 0.5, 1.0, 2.0]])
    torch.testing.assert_close(summary(x), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("padding", ["replicate", "zeros"])
@pytest.mark.parametrize("samples", [1, 3])
def test_a_convolution_is_torchs_however_few_samples_there_are(padding, samples):
    """On one thread torch itself would take another algorithm for so few."""
    x = torch.randn(samples, 5, 4, 4, 4, requires_grad=True)
    y = x.detach().clone().requires_grad_()
    weight, bias = torch.randn(7, 5, 3, 3, 3) / 135**0.5, torch.randn(7)  # sums of 135 products, around 1
    own = convolved(x, weight, bias, padding)
    padded = F.pad(y, (1,) * 6, mode="replicate" if padding == "replicate" else "constant")
    theirs = F.conv3d(padded, weight, bias)
    torch.testing.assert_close(own, theirs, atol=1e-5, rtol=1e-5)
    own.square().sum().backward()
    theirs.square().sum().backward()
    torch.testing.assert_close(x.grad, y.grad, atol=1e-3, rtol=1e-4)


def test_padding_and_its_gradient_are_torchs():
    x = torch.randn(2, 3, 4, 5, 6, requires_grad=True)
    y = x.detach().clone().requires_grad_()
    weights = torch.randn(2, 3, 6, 7, 8)
    own, theirs = ReplicatePad.apply(x), F.pad(y, (1,) * 6, mode="replicate")
    torch.testing.assert_close(own, theirs, rtol=0, atol=0)
    (own * weights).sum().backward()
    (theirs * weights).sum().backward()
    torch.testing.assert_close(x.grad, y.grad)


NATIVE = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


@pytest.mark.skipif(not NATIVE, reason="a CPU with instructions for bfloat16 is needed")
@pytest.mark.parametrize("size", [1, 2, 3, 4])
@pytest.mark.parametrize("padding", ["replicate", "zeros"])
def test_few_voxels_have_the_gradient_of_their_weights_in_bfloat16(padding, size):
    """OneDNN leaves it as memory was where it pads two voxels: so memory is no zeros here."""
    x, weights = torch.rand(2, 32, size, size, size, generator=rng()), torch.randn(16, 32, 3, 3, 3)
    found = []
    for dtype in (torch.float32, torch.bfloat16):
        weight = weights.clone().requires_grad_()
        y = convolved(x.to(dtype), weight.to(dtype), torch.zeros(16, dtype=dtype), padding)
        used = [torch.full((num,), 3e38) for num in (256, 4_096, 13_824, 27_648) for _ in range(3)]
        del used
        y.float().square().mean().backward()
        found.append(weight.grad)
    torch.testing.assert_close(*found, atol=0.05 * found[0].abs().max().item(), rtol=0.05)


@pytest.mark.skipif(not NATIVE, reason="a CPU with instructions for bfloat16 is needed")
@pytest.mark.parametrize("padding", ["replicate", "zeros"])
def test_in_bfloat16_q_and_its_gradients_are_those_of_float32_nearly(padding):
    """Bfloat16 has 8 bits: values agree to a few hundredths, gradients point the same way."""
    network = InceptionNetwork(8, 16, 4, padding, rng(), 0)
    grid, told = torch.rand(2, 8, 8, 8, 10, generator=rng()), torch.rand(2, 4, generator=rng())
    seen, found = [], []
    network.encoder["f1"].register_forward_hook(lambda _, __, out: seen.append(out.dtype))
    for lower in (False, True):
        network.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=lower):
            q, _ = network(grid, told)
        q.float().square().mean().backward()
        gradient = torch.cat([parameter.grad.flatten() for parameter in network.parameters()])
        found.append((q.detach().float(), gradient))
    assert seen == [torch.float32, torch.bfloat16]
    (exact, slope), (near, lower_slope) = found
    assert not torch.equal(exact, near)
    assert (exact - near).abs().max() < 0.025 * exact.abs().max()
    assert torch.cosine_similarity(slope, lower_slope, dim=0) > 0.99


def test_only_a_network_that_reads_rotation_from_the_soft_argmax_needs_float32():
    """Two peaks whose heights differ by a rounding of bfloat16 at 1, .004: their weights differ by e^.4."""
    assert InceptionNetwork(8, 16, 4, "zeros", rng(), 5).needs_float32
    assert not InceptionNetwork(8, 16, 4, "zeros", rng(), 0).needs_float32
    x = torch.zeros(1, 1, 8, 8, 8)
    x[..., 0], x[..., -1] = 1.0, 1.0039
    assert torch.equal(x.bfloat16(), torch.where(x > 0, 1.0, 0.0))
    z, rounded = summary(x)[0, 2], summary(x.bfloat16())[0, 2]
    assert rounded.item() == pytest.approx(0, abs=1e-5)
    assert z.item() == pytest.approx(math.tanh(0.39 / 2), abs=1e-3)


@pytest.mark.parametrize("padding", ["replicate", "zeros"])
def test_a_compiled_block_is_the_same_function(padding):
    """Of a CPU too, whose convolution the compiler cannot take."""
    block = Inception(4, 8, padding, torch.Generator().manual_seed(0))
    x = torch.randn(2, 4, 4, 4, 4, generator=torch.Generator().manual_seed(1))
    told = []
    for run in (block, torch.compile(block, backend="aot_eager")):
        block.zero_grad()
        y = run(x)
        y.square().sum().backward()
        told.append((y.detach(), [parameter.grad.clone() for parameter in block.parameters()]))
    torch.testing.assert_close(told[1], told[0])
