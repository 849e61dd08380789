"""RLBench's tasks without CoppeliaSim: a Panda at a table in MuJoCo, in RLBench's own conventions.

The tasks are re-creations: names, success conditions, variations, actions and observations are RLBench's, the
objects are our own, and a score here is not an RLBench score. Needs the extra `manipulation` (mujoco-core);
nothing of it is imported before the first environment is made.
"""

from fvm_envs.manipulation.demos import Demo, get_demos
from fvm_envs.manipulation.env import ManipulationVec
from fvm_envs.manipulation.keyframes import keyframes_of
from fvm_envs.manipulation.observation import ObservationConfig, observe
from fvm_envs.manipulation.point_cloud import points
from fvm_envs.manipulation.scene import BOUNDS, CAMERAS
from fvm_envs.manipulation.simulator import Outcome, Simulator
from fvm_envs.manipulation.task import ManipulationTask
from fvm_envs.manipulation.tasks import TASKS

__all__ = [
    "BOUNDS",
    "CAMERAS",
    "TASKS",
    "Demo",
    "ManipulationTask",
    "ManipulationVec",
    "ObservationConfig",
    "Outcome",
    "Simulator",
    "get_demos",
    "keyframes_of",
    "observe",
    "points",
]
