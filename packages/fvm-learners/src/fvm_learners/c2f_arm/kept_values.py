"""V(s') of next frames, kept until the target networks change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Key = tuple[int, int, float]
"""Task, serial number of the next frame in its replay, time."""


class KeptValues:
    """Values of all depths, by key."""

    def __init__(self) -> None:
        self._values: dict[Key, NDArray[np.float32]] = {}

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: Key) -> NDArray[np.float32] | None:
        """Returns the values [depths] of a key, None if it is not known."""
        return self._values.get(key)

    def keep(self, keys: Sequence[Key], values: Tensor) -> None:
        """Keep values [n, depths] of n keys."""
        self._values.update(zip(keys, values.cpu().numpy(), strict=True))

    def clear(self) -> None:
        """Forget all."""
        self._values.clear()

    def state_dict(self) -> dict[str, Any]:
        """Tensors and JSON values."""
        keys = sorted(self._values)
        values = [torch.from_numpy(self._values[key].copy()) for key in keys]
        return {
            "keys": [list(key) for key in keys],
            "values": torch.stack(values) if keys else torch.zeros(0),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put back what `state_dict` gave."""
        self._values = {
            (int(task), int(serial), float(time)): value.numpy().copy()
            for (task, serial, time), value in zip(state["keys"], state["values"], strict=True)
        }
