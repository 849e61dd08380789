import numpy as np
import pytest
from fvm_envs.manipulation import raycast
from fvm_envs.manipulation.rotation import quaternion_of
from fvm_envs.manipulation.scene import CAMERAS
from fvm_envs.manipulation.simulator import Simulator
from fvm_envs.manipulation.tasks import TASKS

pytestmark = pytest.mark.manipulation


@pytest.fixture(scope="module")
def simulator():
    return Simulator()


def rays(world, camera, picture):
    position = raycast.extrinsics(world, camera)[:3, 3].astype(float)
    return position, picture.points.reshape(-1, 3).astype(float) - position


@pytest.mark.parametrize("name", TASKS)
def test_many_rays_at_once_see_what_each_ray_sees(simulator, name):
    """MuJoCo culls bodies by a tree of the geoms that can collide: one that cannot would be missing."""
    task = TASKS[name]
    rng = np.random.default_rng(0)
    simulator.reset(task, 0, 5)
    world = simulator.world
    waypoints = [None, *task.demonstration(world)[:2]]
    geom = np.zeros(1, dtype=np.int32)
    for waypoint in waypoints:
        if waypoint is not None:
            simulator.execute(waypoint.position, quaternion_of(waypoint.matrix), waypoint.open)
        for camera in CAMERAS:
            picture = raycast.render(world, camera, (64, 64))
            origin, directions = rays(world, camera, picture)
            for pixel in rng.choice(64 * 64, size=60, replace=False):
                way = directions[pixel] / np.linalg.norm(directions[pixel])
                distance = world.mujoco.mj_ray(world.model, world.data, origin, way, None, 1, -1, geom)
                assert distance == pytest.approx(np.linalg.norm(directions[pixel]), abs=2e-4), (camera, pixel)


def test_every_visible_geom_can_be_hit(simulator):
    """No geom is left out of the tree, whatever the scene."""
    for task in TASKS.values():
        simulator.reset(task, 0, 0)
        assert (simulator.world.model.geom_contype != 0).all()


def test_points_depth_and_matrices_agree(simulator):
    simulator.reset(TASKS["pick_up_cup"], 0, 0)
    world = simulator.world
    for camera in CAMERAS:
        height, width = 48, 64
        picture = raycast.render(world, camera, (height, width))
        assert picture.rgb.shape == (height, width, 3)
        k = raycast.intrinsics(world, camera, (height, width))
        pose = raycast.extrinsics(world, camera)
        np.testing.assert_allclose(pose[:3, :3].T @ pose[:3, :3], np.eye(3), atol=1e-6)
        local = (picture.points.reshape(-1, 3) - pose[:3, 3]) @ pose[:3, :3]
        np.testing.assert_allclose(local[:, 2], picture.depth.ravel(), atol=1e-5)
        pixels = local @ k.T
        pixels = pixels[:, :2] / pixels[:, 2:]
        rows, columns = np.mgrid[:height, :width]
        expected = np.stack([columns.ravel() + 0.5, rows.ravel() + 0.5], axis=1)
        np.testing.assert_allclose(pixels, expected, atol=2e-3)
        assert picture.depth.max() < 6  # the room is closed


def test_a_known_point_is_where_it_should_be(simulator):
    """The red button's cap, seen from above, at its place in the world."""
    simulator.reset(TASKS["push_button"], 4, 2)
    world = simulator.world
    for camera in ("front", "left_shoulder", "right_shoulder"):
        picture = raycast.render(world, camera, (256, 256))
        red = (picture.rgb[..., 0] > 120) & (picture.rgb[..., 1:].max(axis=-1) < 40)
        assert red.sum() > 10
        middle = picture.points[red].mean(axis=0)
        np.testing.assert_allclose(middle, world.point("button", (0, 0, 0.047)), atol=0.012)
        height, width = np.nonzero(red)
        assert len(height) == len(width)


def test_shadows_only_darken(simulator):
    simulator.reset(TASKS["open_door"], 0, 0)
    plain = raycast.render(simulator.world, "front", (64, 64))
    dark = raycast.render(simulator.world, "front", (64, 64), shadows=True)
    np.testing.assert_array_equal(plain.depth, dark.depth)
    assert (dark.rgb <= plain.rgb).all()
    assert 0.01 < (dark.rgb != plain.rgb).any(axis=-1).mean() < 0.5


def test_cameras_of_the_room_stand_still_and_the_wrist_camera_moves(simulator):
    task = TASKS["push_button"]
    simulator.reset(task, 0, 0)
    before = {camera: raycast.extrinsics(simulator.world, camera) for camera in CAMERAS}
    waypoint = task.demonstration(simulator.world)[0]
    simulator.execute(waypoint.position, quaternion_of(waypoint.matrix), waypoint.open)
    for camera in CAMERAS:
        after = raycast.extrinsics(simulator.world, camera)
        assert np.array_equal(before[camera], after) == (camera != "wrist")
