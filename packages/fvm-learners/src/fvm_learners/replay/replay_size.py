"""What a replay takes of the memory there is, known before any of it is taken."""

import math
import os

import torch

from fvm_learners.replay.sum_tree import WIDTH

ROW_NBYTES = 7 * 4
"""Links, action, reward, return, discount and next row of one row."""
CUDA_SHARE = 0.8
"""Of a GPU's free memory for frames; the rest is for networks and their activations."""


def replay_nbytes(capacity: int, obs_shape: tuple[int, ...], obs_dtype: torch.dtype, frame_stack: int) -> int:
    """Memory of one `Replay`."""
    frame = math.prod(obs_shape) // frame_stack * obs_dtype.itemsize
    blocks = -(-capacity // WIDTH)
    return (capacity + 1) * frame + capacity * ROW_NBYTES + 2 * 4 + blocks * (WIDTH + 1) * 8


def physical_memory() -> int | None:
    """Bytes of this machine's memory; None where the system does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def frames_device(nbytes: int, device: torch.device) -> torch.device:
    """Where the frames of all replays are kept: with the learner if they fit there, else in main memory.

    Args:
        nbytes: Of all replays together.
        device: The learner's.

    Raises:
        ValueError: They are larger than the machine's memory.
    """
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        if nbytes <= CUDA_SHARE * free:
            return device
    memory = physical_memory()
    if memory is not None and nbytes > memory:
        raise ValueError(
            f"the replay needs {nbytes / 1e9:.1f} GB and this machine has {memory / 1e9:.1f} GB of memory: "
            "lower replay_capacity"
        )
    return torch.device("cpu")
