import pytest
import torch
from fvm_learners.replay import Replay
from fvm_learners.replay.replay_size import frames_device, replay_nbytes


def test_100_000_atari_transitions_take_at_most_three_quarters_of_a_gigabyte():
    shape = {"obs_shape": (84, 84, 4), "obs_dtype": torch.uint8, "frame_stack": 4}
    replay = Replay(100_000, **shape, n_step=20, discount=0.99, priority_exponent=0.5)
    assert replay.nbytes <= 0.75e9
    assert replay.nbytes == replay_nbytes(100_000, **shape)


def test_where_frames_are_kept(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (10_000, 20_000))
    monkeypatch.setattr("fvm_learners.replay.replay_size.physical_memory", lambda: 50_000)
    cuda, cpu = torch.device("cuda"), torch.device("cpu")
    assert frames_device(8_000, cuda) == cuda
    assert frames_device(8_001, cuda) == cpu
    assert frames_device(50_000, cpu) == cpu
    with pytest.raises(ValueError, match="lower replay_capacity"):
        frames_device(50_001, cuda)
    monkeypatch.setattr("fvm_learners.replay.replay_size.physical_memory", lambda: None)
    assert frames_device(10**15, cpu) == cpu
