"""The devices that jobs compute on, as they were asked for."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from study.errors import StudyError


def choose_device(asked: str, *, here: bool = True) -> str:
    """Returns a torch device name for "auto" or checks the one that was asked for.

    Raises:
        StudyError: There is no such device; on this machine, if jobs are to run `here`.
    """
    if asked == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(asked)
    except RuntimeError:
        device = torch.device("meta")
    if device.type not in ("cpu", "cuda") or (device.type == "cpu" and device.index):
        raise StudyError(f"unknown device {asked!r}; use auto, cpu or cuda")
    if here and device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise StudyError(
            f"device {asked!r} is not here ({torch.cuda.device_count()} CUDA GPUs found); use --device cpu"
        )
    return asked


def choose_devices(asked: Sequence[str], *, here: bool = True) -> tuple[str, ...]:
    """Returns the devices that workers share, on this machine if they run `here`.

    Raises:
        StudyError: One is not here, is named twice, or they are of two kinds, whose results differ.
    """
    if not asked:
        raise StudyError("--device names none; give auto, cpu, cuda or several such as cuda:0 cuda:1")
    found = tuple(choose_device(name, here=here) for name in asked)
    words = " ".join(asked)
    if len(set(found)) < len(found):
        raise StudyError(f"--device {words} names a device twice; --workers says how many run side by side")
    if len({device.partition(":")[0] for device in found}) > 1:
        raise StudyError(f"--device {words} mixes CPU and GPU; a study's jobs run on one kind of device")
    return found
