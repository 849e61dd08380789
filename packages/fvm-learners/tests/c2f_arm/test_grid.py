import numpy as np
import pytest
from fvm_learners.c2f_arm.config import C2FARMConfig
from fvm_learners.c2f_arm.grid import Grids, check_reach, path_of
from fvm_learners.c2f_arm.rotation import (
    about_z,
    angles_of,
    bins_of,
    euler_of,
    matrices_of,
    quaternions_of,
    with_fingers_towards_minus_y,
)

BOUNDS = (-0.3, -0.5, 0.6, 0.7, 0.5, 1.6)


def random_quaternions(num):
    q = np.random.default_rng(0).standard_normal((num, 4))
    return q / np.linalg.norm(q, axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("sizes", "half_sides"), [((16, 16), (0.15,)), ((8, 8, 8), (0.15, 0.04)), ((16,), ())]
)
def test_a_position_comes_back_within_half_a_fine_voxel(sizes, half_sides):
    grids = Grids(BOUNDS, sizes, half_sides)
    rng = np.random.default_rng(1)
    position = rng.uniform(BOUNDS[:3], BOUNDS[3:], (500, 3))
    jitter = rng.uniform(-1, 1, (len(half_sides), 500, 3)) * np.array(half_sides).reshape(-1, 1, 1)
    path = path_of(grids, position, jitter)
    last = len(sizes) - 1
    back = grids.position(last, path.centres[last], grids.unflat(last, path.voxels[last]))
    assert (np.abs(back - position) <= grids.cell(last) / 2 + 1e-9).all()


def test_a_voxel_by_hand():
    grids = Grids(BOUNDS, (16, 16), (0.15,))
    path = path_of(grids, np.array([[0.0, 0.01, 0.8]]), np.zeros((1, 1, 3)))
    # Cells of 6.25 cm: .3 / .0625 = 4.8, .51 / .0625 = 8.16, .2 / .0625 = 3.2.
    assert grids.unflat(0, path.voxels[0]).tolist() == [[4, 8, 3]]
    np.testing.assert_allclose(path.centres[1], [[-0.3 + 4.5 * 0.0625, 0.03125, 0.6 + 3.5 * 0.0625]])
    # Cells of 1.875 cm: (.01 - .03125 + .15) / .01875 = 6.87.
    assert grids.unflat(1, path.voxels[1])[0, 1] == 6


def test_arms_corner_moves_the_finer_grid_by_half_a_voxel():
    grids = Grids(BOUNDS, (16, 16), (0.15,))
    position = np.array([[0.1, 0.1, 0.9]] * 2)
    path = path_of(grids, position, np.zeros((1, 2, 3)), corner=np.array([True, False]))
    np.testing.assert_allclose(path.centres[1, 1] - path.centres[1, 0], 0.0625 / 2)


def test_grids_that_cannot_reach_all_of_a_voxel_are_refused():
    with pytest.raises(ValueError, match=r"half_sides\[0\]=0.05 m is less than half a voxel"):
        check_reach(BOUNDS, (8, 8), (0.05,))
    with pytest.raises(ValueError, match="give one for each depth but the first"):
        check_reach(BOUNDS, (16, 16), ())


def test_angles_and_quaternions_are_each_others_inverse():
    q = random_quaternions(200)
    back = matrices_of(quaternions_of(euler_of(matrices_of(q))))
    np.testing.assert_allclose(back, matrices_of(q), atol=1e-9)


def test_a_turn_about_two_axes_by_hand():
    """30 degrees about x, then 90 about z: x goes to y, y to (-cos 30, 0, sin 30)."""
    matrix = matrices_of(quaternions_of(np.array([[30.0, 0.0, 90.0]])))[0]
    np.testing.assert_allclose(matrix[:, 0], [0, 1, 0], atol=1e-12)
    np.testing.assert_allclose(matrix[:, 1], [-np.cos(np.pi / 6), 0, 0.5], atol=1e-12)


def test_the_poles_lose_no_orientation():
    matrix = matrices_of(quaternions_of(np.array([[20.0, 90.0, 50.0], [20.0, -90.0, 50.0]])))
    np.testing.assert_allclose(matrices_of(quaternions_of(euler_of(matrix))), matrix, atol=1e-7)


def test_bins_go_round_the_circle():
    bins = bins_of(np.array([[-180.0, 180.0, 2.6], [177.6, 0.0, -2.4]]), 72)
    assert bins.tolist() == [[0, 0, 37], [0, 36, 36]]
    assert angles_of(bins, 72)[0].tolist() == [-180.0, -180.0, 5.0]


def test_a_grasp_and_its_half_turn_become_one():
    grasp = matrices_of(random_quaternions(50))
    half = grasp @ about_z(np.full(50, np.pi))
    one, two = with_fingers_towards_minus_y(grasp), with_fingers_towards_minus_y(half)
    np.testing.assert_allclose(one, two, atol=1e-12)
    assert (one[:, 1, 1] <= 0).all()
    np.testing.assert_allclose(one[:, :, 2], grasp[:, :, 2])


@pytest.mark.parametrize(
    ("workspace", "sizes", "half_sides", "axis", "depth"),
    [
        ((10, 10, 10, 11, 11, 11), (16, 16), (0.15,), "x", 0),  # elsewhere
        ((-0.3, -0.5, 0.80, 0.7, 0.5, 0.8001), (16, 16), (0.15,), "z", 1),  # between two centres
        ((-0.3, -0.5, 1.52, 0.7, 0.5, 1.53), (16,), (), "z", 0),
        (
            (-0.3, -0.5, 0.84, 0.7, 0.5, 1.6),
            (4, 4),
            (0.15,),
            "z",
            1,
        ),  # it touches .6 to .85
    ],
)
def test_a_workspace_that_acting_would_miss_is_refused(workspace, sizes, half_sides, axis, depth):
    """Of equally forbidden voxels it took the first, a corner outside of the workspace."""
    with pytest.raises(ValueError, match=rf"along {axis} a grid of depth {depth} .* has no voxel there"):
        C2FARMConfig(bounds=BOUNDS, workspace=workspace, grid_sizes=sizes, half_sides=half_sides)
