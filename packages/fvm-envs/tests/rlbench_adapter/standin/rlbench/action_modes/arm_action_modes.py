import numpy as np
from pyrep.errors import ConfigurationPathError, IKError

from rlbench.backend.exceptions import InvalidActionError


class EndEffectorPoseViaPlanning:
    def __init__(self, absolute_mode=True, frame="world", collision_checking=False):
        if frame not in ("world", "end effector"):
            raise ValueError("Expected frame to one of: 'world, 'end effector'")

    def action(self, scene, action):
        if np.shape(action) != (7,):
            raise InvalidActionError(
                f"Expected the action shape to be: (7,), but was shape: {np.shape(action)}"
            )
        if not np.isclose(np.linalg.norm(action[3:]), 1.0):
            raise InvalidActionError("Action contained non unit quaternion!")
        if not (-0.25 < action[0] < 0.75 and abs(action[1]) < 0.65 and 0.75 < action[2] < 1.75):
            raise InvalidActionError("A path could not be found because the target is outside of workspace.")
        if action[2] > 1.6:
            raise IKError("could not find a valid configuration")
        if action[2] > 1.5:
            raise ConfigurationPathError("no path")
        if action[2] > 1.4:
            raise InvalidActionError(
                "A path could not be found. Most likely due to the target being inaccessible"
            )
        scene.tip = np.array(action)
