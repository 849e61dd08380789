"""One file holds a nested state: arrays and tensors in safetensors, the rest as JSON in its header.

No pickle, so a file from anywhere is safe to open. It is written beside its place and renamed, so that a file
that exists is whole; a SHA-256 over all leaves tells a damaged one.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from study.errors import StudyError
from study.folder.files import Damaged, canonical_json, open_regular, parse_json, write_bytes

ARRAY = "__array__"  # {"__array__": "path/of/leaf", "numpy": bool} stands for a leaf in the JSON


def write_state(path: Path, state: dict[str, Any]) -> None:
    """Writes `state`, whose leaves are tensors, numpy arrays or JSON values, atomically.

    Raises:
        StudyError: The disk is full, or the file cannot be written for another reason.
        TypeError: A leaf is of another kind, or a key is no text.
    """
    tensors: dict[str, torch.Tensor] = {}
    outline = json.dumps(_split(state, "", tensors), sort_keys=True)
    # One key: safetensors writes several in random order, and equal states must be equal bytes.
    header = canonical_json({"state": outline, "sha256": _digest(outline, tensors)})
    write_bytes(path, save(tensors, metadata={"fvm": header}))


def read_state(path: Path, mend: str = "delete this file") -> dict[str, Any]:
    """Returns the state that `write_state` wrote to `path`.

    Raises:
        StudyError: The file is damaged; the message tells the user to do what `mend` says.
    """
    try:
        open_regular(path).close()  # no link, no pipe
        with safe_open(path, framework="pt") as file:
            header = parse_json(str((file.metadata() or {})["fvm"]).encode())
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        outline = header["state"]
        if _digest(outline, tensors) != header["sha256"]:
            raise ValueError("its contents do not match their checksum")
        state = _join(json.loads(outline), tensors)  # here NaN is a number like others
        if not isinstance(state, dict):
            raise TypeError(f"its state is a {type(state).__name__}")
        return state
    except (
        SafetensorError,
        Damaged,
        LookupError,
        AttributeError,
        TypeError,
        ValueError,
        OSError,
        RecursionError,
    ) as error:
        why = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        raise StudyError(
            f"{path} is damaged ({' '.join(why.split())[:200]}); {mend} and run the same command again: "
            f"only the job it belongs to starts anew"
        ) from None


def _split(value: Any, name: str, tensors: dict[str, torch.Tensor]) -> Any:
    if isinstance(value, torch.Tensor | np.ndarray):
        is_numpy = isinstance(value, np.ndarray)
        # ascontiguousarray would turn a 0-d array into a 1-d one; torch keeps the shape.
        tensor = torch.from_numpy(value.copy()) if isinstance(value, np.ndarray) else value.detach().cpu()
        tensor = tensor.contiguous()
        # safetensors refuses two leaves that share memory.
        taken = {other.untyped_storage().data_ptr() for other in tensors.values()}
        tensors[name] = tensor.clone() if tensor.untyped_storage().data_ptr() in taken else tensor
        return {ARRAY: name, "numpy": is_numpy}
    if isinstance(value, dict):
        return {key: _split(item, f"{name}/{_escaped(key, name)}", tensors) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_split(item, f"{name}/{i}", tensors) for i, item in enumerate(value)]
    value = value.item() if isinstance(value, np.generic) else value
    if value is None or isinstance(value, str | int | float):
        return value
    raise TypeError(
        f"{name} of a state is a {type(value).__name__}, which no file keeps: give tensors, arrays of "
        "numbers or JSON values"
    )


def _escaped(key: str, where: str) -> str:
    """Returns a key as a JSON pointer (RFC 6901) has it: {"a/b": ...} and {"a": {"b": ...}} stay apart."""
    if not isinstance(key, str):
        raise TypeError(f"{where or 'a state'} has a key {key!r}, which would come back as text: use text")
    return key.replace("~", "~0").replace("/", "~1")


def _join(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    if isinstance(value, dict):
        if ARRAY in value:
            tensor = tensors[value[ARRAY]]
            return tensor.numpy() if value["numpy"] else tensor
        return {key: _join(item, tensors) for key, item in value.items()}
    if isinstance(value, list):
        return [_join(item, tensors) for item in value]
    return value


def _digest(outline: str, tensors: dict[str, torch.Tensor]) -> str:
    digest = hashlib.sha256(outline.encode())
    for name in sorted(tensors):
        digest.update(name.encode())
        if tensors[name].numel():  # an empty tensor has no bytes to view
            digest.update(tensors[name].reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
