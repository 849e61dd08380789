"""A replay that is loaded over another."""

import numpy as np
import torch
from fvm_learners.replay import Replay


def test_loading_into_a_used_replay_is_as_loading_into_a_fresh_one(flat):
    """What the used one held before, links of frames above all, must leave no trace."""

    def new():
        fields = {"frame_stack": 2, "n_step": 2, "discount": 0.9, "priority_exponent": 0.5}
        return Replay(60, (2,), torch.float32, **fields)

    def play(replay, steps, length):
        for t in range(steps):
            start = t % length == 0
            obs = np.array([[0.0 if start else t, t + 1.0]], np.float32)
            given = [np.array([x]) for x in (t % 2, 1.0, (t + 1) % length == 0, start)]
            replay.append([0], obs, *given)

    saved, used, fresh = new(), new(), new()
    play(saved, 20, 5)
    state = saved.state_dict()
    play(used, 55, 50)
    used.load_state_dict(state)
    fresh.load_state_dict(state)
    for replay in (used, fresh):
        play(replay, 50, 7)
    assert used.num_transitions == fresh.num_transitions
    one, other = flat(used.state_dict()), flat(fresh.state_dict())
    assert one.keys() == other.keys()
    for name, value in one.items():
        same = torch.equal(value, other[name]) if isinstance(value, torch.Tensor) else value == other[name]
        assert same, name
