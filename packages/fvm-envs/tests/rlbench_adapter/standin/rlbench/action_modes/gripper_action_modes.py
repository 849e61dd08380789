import numpy as np

from rlbench.backend.exceptions import InvalidActionError


class Discrete:
    def __init__(self, attach_grasped_objects=True, detach_before_open=True):
        pass

    def action(self, scene, action):
        if np.shape(action) != (1,):
            raise InvalidActionError("Expected the action shape to be: (1,)")
        if not 0.0 <= action[0] <= 1.0:
            raise InvalidActionError("Gripper action expected to be within 0 and 1.")
        scene.open = float(action[0] > 0.5)
