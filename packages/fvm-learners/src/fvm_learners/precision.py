"""Where networks compute in bfloat16: on a GPU, or on a CPU that has instructions for it."""

from __future__ import annotations

from typing import Protocol

import torch


class Precision(Protocol):
    """The two fields of a config that say so."""

    @property
    def autocast(self) -> bool: ...  # noqa: D102

    @property
    def cpu_bfloat16(self) -> bool: ...  # noqa: D102


def bfloat16_devices(config: Precision) -> list[str]:
    """Returns the types of devices on which encoders compute in bfloat16."""
    return ["cuda"] * config.autocast + ["cpu"] * config.cpu_bfloat16


def cpu_has_bfloat16() -> bool:
    """Whether this CPU has instructions for bfloat16."""
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def check_bfloat16(config: Precision, device: torch.device) -> None:
    """Raises ValueError if the CPU lacks the instructions, without which it takes ten times as long."""
    if config.cpu_bfloat16 and device.type == "cpu" and not cpu_has_bfloat16():
        raise ValueError(
            "cpu_bfloat16 asks for bfloat16, and this CPU has no instructions for it (AVX512-BF16 or AMX): "
            "use cpu_bfloat16=False, or another machine"
        )
