"""MinAtar's encoder against its paper, and on a grid whose features are known."""

import pytest
import torch
from fvm_learners.networks.minatar import MinAtar


def test_parameters_are_those_of_the_paper():
    """Young and Tian 2019: of 10 x 10 cells 16 filters of 3x3 leave 8 x 8, and 128 units see them."""
    encoder = MinAtar((10, 10, 4))
    count = sum(parameter.numel() for parameter in encoder.parameters())
    assert count == (3 * 3 * 4 * 16 + 16) + (16 * 8 * 8 * 128 + 128)
    assert encoder.num_features == 128
    assert MinAtar((10, 10, 4), num_features=None).num_features == 16 * 8 * 8


def test_a_filter_counts_the_cells_of_its_channel():
    encoder = MinAtar((4, 5, 2), channels=2, num_features=None)
    with torch.no_grad():
        encoder.conv.weight.zero_()
        encoder.conv.bias.copy_(torch.tensor([0.0, -2.0]))
        encoder.conv.weight[0, 0] = 1  # how many cells of channel 0 a 3x3 window holds
        encoder.conv.weight[1, 1] = 1  # of channel 1, less two: the ReLU cuts what is below
    grid = torch.zeros(1, 4, 5, 2, dtype=torch.bool)
    grid[0, 0, 0, 0] = grid[0, 2, 2, 0] = True
    grid[0, 1:3, 1:3, 1] = True
    zeroth, first = encoder(grid).reshape(2, 2, 3).tolist()
    assert zeroth == [[2, 1, 1], [1, 1, 1]]
    assert first == [[2, 2, 0], [2, 2, 0]]


def test_bytes_and_bools_of_one_grid_are_the_same_to_it():
    torch.manual_seed(1)
    encoder = MinAtar((5, 5, 3))
    grid = torch.rand(2, 5, 5, 3) < 0.5
    assert torch.equal(encoder(grid), encoder(grid.to(torch.uint8) * 255))


def test_what_is_smaller_than_its_filter_has_nothing_to_see():
    assert MinAtar((3, 3, 1), num_features=None).num_features == 16
    with pytest.raises(RuntimeError, match="Kernel size can't be greater"):
        MinAtar((3, 3, 1))(torch.zeros(1, 2, 3, 1, dtype=torch.uint8))
