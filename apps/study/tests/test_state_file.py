from __future__ import annotations

import errno
import json
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from study.errors import StudyError
from study.folder.files import canonical_json, write_bytes
from study.folder.state_file import read_state, write_state


def state() -> dict[str, Any]:
    rng = np.random.default_rng(7)
    pixels = torch.arange(2 * 3 * 4 * 5, dtype=torch.uint8).reshape(2, 3, 4, 5)
    return {
        "float": torch.linspace(-1, 1, 7),
        "double": torch.tensor([1e-300, 1e300], dtype=torch.float64),
        "bfloat16": torch.tensor([0.1, 0.2], dtype=torch.bfloat16),
        "bool": torch.tensor([[True], [False]]),
        "int64": torch.tensor([2**62, -(2**62)]),
        "scalar": torch.tensor(3, dtype=torch.int64),
        "scalar bool": torch.tensor(True),
        "empty": torch.zeros(0, 3),
        "channels_last": pixels.float().to(memory_format=torch.channels_last),
        "numpy": {
            "uint8": np.arange(6, dtype=np.uint8).reshape(2, 3),
            "uint32": np.array([2**32 - 1], np.uint32),
            "uint64": np.array([2**64 - 1], np.uint64),
            "bool": np.array([True, False]),
            "scalar": np.array(0.1),
            "empty": np.zeros((0, 2), np.float32),
            "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
            "backwards": np.arange(5)[::-1],
        },
        "rng": rng.bit_generator.state,  # integers of 128 bits
        "torch rng": torch.Generator().manual_seed(3).get_state(),
        "list": [torch.ones(2), {"deep": np.ones(1)}, [], {}, None, "text", 1.5, True],
        "nan": float("nan"),
        "infinite": float("-inf"),
        "nothing": {},
        "none": [],
    }


def assert_same(left: Any, right: Any) -> None:
    assert type(left) is type(right)
    if isinstance(left, dict):
        assert list(left) == sorted(right)
        for key in left:
            assert_same(left[key], right[key])
    elif isinstance(left, list):
        assert len(left) == len(right)
        for a, b in zip(left, right, strict=True):
            assert_same(a, b)
    elif isinstance(left, torch.Tensor):
        assert (left.dtype, left.shape) == (right.dtype, right.shape)
        assert torch.equal(left, right)
    elif isinstance(left, np.ndarray):
        assert (left.dtype, left.shape) == (right.dtype, right.shape)
        assert np.array_equal(left, right)
    elif isinstance(left, float):
        assert left == right or (left != left and right != right)
    else:
        assert left == right


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "checkpoint.safetensors"


def test_a_nested_state_comes_back_as_it_was(path: Path) -> None:
    write_state(path, state())
    assert_same(read_state(path), state())


def test_a_generator_goes_on_from_its_saved_state(path: Path) -> None:
    rng = np.random.default_rng(1)
    rng.random(3)
    write_state(path, {"rng": rng.bit_generator.state})
    again = np.random.default_rng(2)
    again.bit_generator.state = read_state(path)["rng"]
    assert again.random() == rng.random()


def test_equal_states_are_equal_bytes(tmp_path: Path) -> None:
    for i in range(5):
        write_state(tmp_path / str(i), dict(reversed(state().items())) if i % 2 else state())
    assert len({(tmp_path / str(i)).read_bytes() for i in range(5)}) == 1


def test_another_state_is_other_bytes(tmp_path: Path) -> None:
    write_state(tmp_path / "a", {"x": torch.zeros(2)})
    write_state(tmp_path / "b", {"x": np.zeros(2, np.float32)})
    assert (tmp_path / "a").read_bytes() != (tmp_path / "b").read_bytes()


def test_keys_with_slashes_stay_apart(path: Path) -> None:
    write_state(path, {"a/b": torch.zeros(1), "a": {"b": torch.ones(1)}, "a~1b": torch.full((1,), 2.0)})
    back = read_state(path)
    assert [float(back["a/b"]), float(back["a"]["b"]), float(back["a~1b"])] == [0, 1, 2]


def test_leaves_that_share_memory_are_saved_each(path: Path) -> None:
    whole = torch.arange(6.0)
    write_state(path, {"whole": whole, "again": whole, "part": whole[2:4], "rest": whole[3:]})
    back = read_state(path)
    assert back["again"].tolist() == whole.tolist()
    assert back["part"].tolist() == [2, 3]
    assert back["rest"].tolist() == [3, 4, 5]


def test_numbers_of_numpys_come_back_as_pythons(path: Path) -> None:
    write_state(path, {"steps": np.int64(3), "done": np.bool_(True), "rate": [np.float32(0.5)]})
    back = read_state(path)
    assert back == {"steps": 3, "done": True, "rate": [0.5]}
    assert [type(value) for value in (back["steps"], back["done"], back["rate"][0])] == [int, bool, float]


@pytest.mark.parametrize(
    ("leaf", "message"),
    [
        ({"seen": {1, 2}}, "^/hooks/mine/seen of a state is a set, which no file keeps: give tensors"),
        ({3: "red"}, "^/hooks/mine has a key 3, which would come back as text: use text"),
        ({"fell": np.datetime64("2026-01-01")}, "fell of a state is a date"),
    ],
)
def test_what_would_come_back_as_something_else_is_refused(path: Path, leaf: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        write_state(path, {"hooks": {"mine": leaf}})
    assert not path.exists()


def test_what_is_read_can_be_changed(path: Path) -> None:
    write_state(path, {"x": np.zeros(2), "y": torch.zeros(2)})
    back = read_state(path)
    back["x"][0] = back["y"][0] = 1
    assert (back["x"].tolist(), back["y"].tolist()) == ([1, 0], [1, 0])


def flip_bit_in_tensor(data: bytes) -> bytes:
    return data[:-3] + bytes([data[-3] ^ 4]) + data[-2:]


def edit_header(data: bytes) -> bytes:
    at = data.index(b"steps")  # a key of the JSON part
    return data[:at] + b"stepz" + data[at + 5 :]


def drop_metadata(data: bytes) -> bytes:
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    del header["__metadata__"]
    text = json.dumps(header).encode().ljust(size)
    return data[:8] + text + data[8 + size :]


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[: len(data) // 2],
        lambda data: data[:-1],
        lambda data: data[:4],
        lambda data: b"",
        lambda data: b"\xff" * 8 + data[8:],
        lambda data: data + b"more",
        lambda data: b"PK\x03\x04 not a checkpoint at all, but long enough to look like a header",
        flip_bit_in_tensor,
        edit_header,
        drop_metadata,
    ],
    ids=[
        "half",
        "one byte short",
        "4 bytes",
        "empty",
        "huge header",
        "longer",
        "foreign",
        "bit",
        "header",
        "bare",
    ],
)
def test_damage_names_the_file_and_the_mend(path: Path, damage: Any) -> None:
    write_state(path, {"x": torch.arange(9.0), "steps": 3})
    damaged = damage(path.read_bytes())
    assert damaged != path.read_bytes()
    path.write_bytes(damaged)
    with pytest.raises(StudyError, match=r"is damaged .*delete this file and run the same command") as error:
        read_state(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_file_can_tell_its_own_mend(path: Path) -> None:
    with pytest.raises(StudyError, match="delete the folder x and run"):
        read_state(path, mend="delete the folder x")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_leaves_the_last_file_whole(
    path: Path, monkeypatch: pytest.MonkeyPatch, code: int, call: str
) -> None:
    write_state(path, {"x": torch.zeros(3)})
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, call, full)
    with pytest.raises(StudyError, match=r"no space left to write .*checkpoint.*free some and run the same"):
        write_state(path, {"x": torch.ones(3)})
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_another_refusal_is_told_as_such(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(StudyError, match=r"cannot write .*Read-only file system.*make it writable"):
        write_bytes(path, b"x")
    assert not any(path.parent.iterdir())


def test_a_folder_that_went_away_is_told(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"cannot write .*No such file or directory"):
        write_bytes(tmp_path / "gone" / "file", b"x")


def test_canonical_json_is_one_text() -> None:
    assert (
        canonical_json({"b": [1, 2.5], "a": {"d": None, "c": True}})
        == '{"a":{"c":true,"d":null},"b":[1,2.5]}'
    )
    with pytest.raises(ValueError, match="Out of range"):
        canonical_json(float("nan"))
