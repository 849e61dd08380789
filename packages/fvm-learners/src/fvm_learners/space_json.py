"""Gymnasium's spaces as JSON values and back, so that an agent says what it sees and does."""

from typing import Any

import numpy as np
from gymnasium import spaces


def space_to_json(space: spaces.Space[Any]) -> dict[str, Any]:
    """Returns a space as JSON values.

    Raises:
        TypeError: It is neither Box, Discrete nor a Dict of such.
    """
    if isinstance(space, spaces.Box):
        return {
            "kind": "Box",
            "shape": list(space.shape),
            "dtype": np.dtype(space.dtype).name,
            "low": _bound_to_json(space.low),
            "high": _bound_to_json(space.high),
        }
    if isinstance(space, spaces.Discrete):
        told = {"kind": "Discrete", "n": int(space.n), "start": int(space.start)}
        return told if space.dtype == np.int64 else {**told, "dtype": np.dtype(space.dtype).name}
    if isinstance(space, spaces.Dict):
        return {"kind": "Dict", "spaces": {name: space_to_json(part) for name, part in space.spaces.items()}}
    raise TypeError(f"space {space} cannot be saved: only Box, Discrete and a Dict of them")


def space_from_json(value: dict[str, Any]) -> spaces.Space[Any]:
    """Returns the space that `space_to_json` made these values of.

    Raises:
        ValueError: They are of no space.
    """
    kind = value.get("kind")
    if kind == "Box":
        dtype, shape = np.dtype(value["dtype"]), tuple(value["shape"])
        low, high = (np.broadcast_to(np.array(value[b], dtype=dtype), shape) for b in ("low", "high"))
        return spaces.Box(low.copy(), high.copy(), shape, dtype.type)
    if kind == "Discrete":
        own = {"dtype": np.dtype(value["dtype"]).type} if "dtype" in value else {}  # int64 without
        return spaces.Discrete(value["n"], start=value["start"], **own)
    if kind == "Dict":
        return spaces.Dict({name: space_from_json(part) for name, part in value["spaces"].items()})
    raise ValueError(f"{value!r} is no space: 'kind' must be Box, Discrete or Dict")


def _bound_to_json(bound: Any) -> Any:
    """One number where all are alike, else nested lists; infinities as text, which numpy reads back."""
    exact = bound.astype(np.float64) if bound.dtype.kind == "f" else bound.astype(object)
    first = bound.reshape(-1)[:1]
    values = exact.reshape(-1)[0] if (bound == first).all() else exact.tolist()
    return _finite(values)


def _finite(value: Any) -> Any:
    if isinstance(value, list):
        return [_finite(one) for one in value]
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else str(float(value))
    return int(value)
