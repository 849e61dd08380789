"""A binding to Procgen's shared library through ctypes: no gym, no gym3, no cffi.

The structures are those of `libenv.h` (libenv version 1). The library ends the whole process on bad input;
nothing reaches it here that was not checked before.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import platform
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fvm_envs.procgen.games import GAMES, MAX_LEVEL, NATIVE_MODE, modes_of
from fvm_envs.procgen.state import StateLayout
from fvm_envs.slot_inputs import read_count, read_flag

_NAME_LEN = 128
_MAX_NDIM = 16
_UINT8, _INT32 = 1, 2
_OBSERVATION, _ACTION, _INFO = 1, 2, 3
_DTYPES = {_UINT8: np.uint8, _INT32: np.int32, 3: np.float32}
_MAX_STATE_BYTES = 2**20
_FLAGS = (
    "center_agent",
    "use_generated_assets",
    "use_monochrome_assets",
    "restrict_themes",
    "use_backgrounds",
    "paint_vel_info",
    "use_sequential_levels",
)
_COUNTS = ("num_levels", "start_level")
MAX_GAMES = 4096
"""Games in one environment: each takes up to a megabyte, and out of memory the library ends the process."""
MAX_THREADS = 256
FORCE_RESET = -1
"""The action that ends an episode, whatever happens in it."""


class _Tensor(ctypes.Structure):
    _fields_: ClassVar = [
        ("name", ctypes.c_char * _NAME_LEN),
        ("scalar_type", ctypes.c_int),
        ("dtype", ctypes.c_int),
        ("shape", ctypes.c_int * _MAX_NDIM),
        ("ndim", ctypes.c_int),
        ("low", ctypes.c_int32),
        ("high", ctypes.c_int32),
    ]


class _Option(ctypes.Structure):
    _fields_: ClassVar = [
        ("name", ctypes.c_char * _NAME_LEN),
        ("dtype", ctypes.c_int),
        ("count", ctypes.c_int),
        ("data", ctypes.c_void_p),
    ]


class _Options(ctypes.Structure):
    _fields_: ClassVar = [("items", ctypes.POINTER(_Option)), ("count", ctypes.c_int)]


class _Buffers(ctypes.Structure):
    _fields_: ClassVar = [
        ("ob", ctypes.POINTER(ctypes.c_void_p)),
        ("rew", ctypes.c_void_p),
        ("first", ctypes.c_void_p),
        ("info", ctypes.POINTER(ctypes.c_void_p)),
        ("ac", ctypes.POINTER(ctypes.c_void_p)),
    ]


def data_folder() -> Path:
    """The folder of Procgen's library and pictures: our wheel's own, else that of an installed Procgen wheel.

    The other wheel is found without being imported.

    Raises:
        ImportError: If there is none.
    """
    spec = importlib.util.find_spec("procgen")
    theirs = (spec.submodule_search_locations or []) if spec else []
    for folder in (Path(__file__).parent, *map(Path, theirs)):
        data = folder / "data"
        if (data / "prebuilt" / "libenv.so").is_file() and (data / "assets").is_dir():
            return data
    here = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    raise ImportError(
        "Procgen's shared library is not installed: the wheel of fvm-envs for x86-64 Linux carries it, and "
        f"`pip install --no-deps procgen-mirror==0.10.7` brings it beside another (this is {here})"
    )


@cache
def _library() -> ctypes.CDLL:
    path = data_folder() / "prebuilt" / "libenv.so"
    # DEEPBIND: the library's own Qt and libstdc++ symbols win over those of whatever else is loaded.
    library = ctypes.CDLL(str(path), mode=os.RTLD_NOW | os.RTLD_LOCAL | os.RTLD_DEEPBIND)
    library.libenv_make.restype = ctypes.c_void_p
    library.libenv_make.argtypes = [ctypes.c_int, _Options]
    library.libenv_get_tensortypes.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(_Tensor)]
    library.libenv_set_buffers.argtypes = [ctypes.c_void_p, ctypes.POINTER(_Buffers)]
    for name in ("libenv_set_buffers", "libenv_observe", "libenv_act", "libenv_close", "set_state"):
        getattr(library, name).restype = None
    for name in ("libenv_observe", "libenv_act", "libenv_close"):
        getattr(library, name).argtypes = [ctypes.c_void_p]
    library.get_state.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_int]
    library.set_state.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_int]
    version = library.libenv_version()
    if version != 1:
        raise ImportError(
            f"{path} speaks version {version} of libenv and fvm-envs version 1: install procgen-mirror 0.10.7"
        )
    return library


def checked_options(game: str, options: Mapping[str, Any]) -> dict[str, bool | int]:
    """The options of a game, all of which the library will take: on any other it ends the process.

    Raises:
        ValueError: If there is no such game, option or mode.
        TypeError: If an option that is on or off is neither.
    """
    if game not in GAMES:
        raise ValueError(f"there is no Procgen game {game!r}: the games are {', '.join(GAMES)}")
    unknown = sorted(set(options) - {*_FLAGS, *_COUNTS, "distribution_mode"})
    if unknown:
        raise ValueError(f"the library has no options {unknown}")
    checked: dict[str, bool | int] = {
        name: read_flag(name, options[name]) for name in _FLAGS if name in options
    }
    for name in set(_COUNTS) & set(options):
        checked[name] = read_count(name, options[name], 0, MAX_LEVEL)
    mode = options.get("distribution_mode", 1)
    modes = sorted({NATIVE_MODE[name] for name in modes_of(game)})
    if isinstance(mode, bool) or mode not in modes:
        raise ValueError(f"distribution_mode of {game} is {mode!r}: expected one of {modes}")
    return {**checked, "distribution_mode": int(mode)}


class NativeEnv:
    """Some games in the library, and the buffers they write to.

    Args:
        game: One of `GAMES`.
        num_envs: Number of games.
        options: The library's own options (`distribution_mode`, `use_backgrounds`, ...).
        rand_seed: Of the library's draws of levels.
        num_threads: Threads that step the games; 0 steps them in the caller's.
        render: Draw 512 x 512 frames as well.
    """

    def __init__(
        self,
        game: str,
        num_envs: int,
        options: Mapping[str, bool | int],
        *,
        rand_seed: int = 0,
        num_threads: int = 0,
        render: bool = False,
    ) -> None:
        self._handle: int | None = None
        num_envs = read_count("num_envs", num_envs, 1, MAX_GAMES)
        num_threads = read_count("num_threads", num_threads, 0, MAX_THREADS)
        rand_seed = read_count("rand_seed", rand_seed, 0, 2**31 - 1)
        render = read_flag("render", render)
        options = checked_options(game, options)
        self._library = _library()
        everything: dict[str, bool | int | str] = {
            "env_name": game,
            "num_levels": 1,
            "start_level": 0,
            "num_actions": 15,
            "use_sequential_levels": False,
            "debug_mode": 0,
            "rand_seed": rand_seed,
            "num_threads": num_threads,
            "render_human": render,
            "resource_root": f"{data_folder() / 'assets'}{os.sep}",
            **options,
        }
        self.num_envs = num_envs
        self._keep: list[Any] = []
        self._handle = self._library.libenv_make(num_envs, self._options(everything))
        self._state_buffer = ctypes.create_string_buffer(_MAX_STATE_BYTES)
        self.reward: NDArray[np.float32] = np.zeros(num_envs, dtype=np.float32)
        self.first: NDArray[np.bool_] = np.zeros(num_envs, dtype=np.bool_)
        obs, obs_pointers = self._tensors(_OBSERVATION)
        action, action_pointers = self._tensors(_ACTION)
        self.info, info_pointers = self._tensors(_INFO)
        self.obs: NDArray[np.uint8] = obs["rgb"]
        self.action: NDArray[np.int32] = action["action"]
        buffers = _Buffers(
            obs_pointers, self.reward.ctypes.data, self.first.ctypes.data, info_pointers, action_pointers
        )
        self._keep.append(buffers)
        self._library.libenv_set_buffers(self._live(), ctypes.byref(buffers))
        self._library.libenv_observe(self._live())
        self.layout = StateLayout.of(self.get_state(0))

    def step(self) -> None:
        """Do `self.action` in every game, and wait for it."""
        handle = self._live()
        self._library.libenv_act(handle)
        self._library.libenv_observe(handle)

    def observe(self) -> None:
        """Write the buffers again (the 512 x 512 frames too)."""
        self._library.libenv_observe(self._live())

    def get_state(self, index: int) -> bytes:
        """The whole state of a game, in mid-episode too.

        Raises:
            IndexError: If there is no such game.
        """
        size = self._library.get_state(
            self._live(), self._checked(index), self._state_buffer, _MAX_STATE_BYTES
        )
        return ctypes.string_at(self._state_buffer, size)

    def set_state(self, index: int, state: bytes) -> None:
        """Put a game into a state and render it.

        Raises:
            ValueError: If the state is of another game or of other options.
            IndexError: If there is no such game.
        """
        self.layout.check(state)
        self._library.set_state(self._live(), self._checked(index), state, len(state))

    def close(self) -> None:
        """Free the games and end their threads."""
        handle, self._handle = self._handle, None
        if handle is not None:
            self._library.libenv_close(handle)

    def __del__(self) -> None:
        if getattr(self, "_handle", None) is not None:
            self.close()

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError("a Procgen environment cannot be copied: load its state_dict() into a fresh one")

    def _live(self) -> int:
        if self._handle is None:
            raise RuntimeError("the environment is closed: make a new one")
        return self._handle

    def _checked(self, index: int) -> int:
        if not 0 <= index < self.num_envs:
            raise IndexError(f"there is no slot {index}: the slots are 0 to {self.num_envs - 1}")
        return index

    def _options(self, options: Mapping[str, bool | int | str]) -> _Options:
        items = (_Option * len(options))()
        for item, (name, value) in zip(items, options.items(), strict=True):
            data: Any
            if isinstance(value, str):
                raw = value.encode()
                data, item.dtype, item.count = ctypes.create_string_buffer(raw), _UINT8, len(raw)
            elif isinstance(value, bool):
                data, item.dtype, item.count = ctypes.c_uint8(value), _UINT8, 1
            else:
                data, item.dtype, item.count = ctypes.c_int32(value), _INT32, 1
            item.name, item.data = name.encode(), ctypes.addressof(data)
            self._keep.append(data)
        self._keep.append(items)
        return _Options(items, len(options))

    def _tensors(self, space: int) -> tuple[dict[str, NDArray[Any]], Any]:
        count = self._library.libenv_get_tensortypes(self._live(), space, None)
        types = (_Tensor * count)()
        self._library.libenv_get_tensortypes(self._live(), space, types)
        arrays = {
            t.name.decode(): np.zeros((self.num_envs, *t.shape[: t.ndim]), dtype=_DTYPES[t.dtype])
            for t in types
        }
        pointers = (ctypes.c_void_p * (count * self.num_envs))(
            *(array[i : i + 1].ctypes.data for array in arrays.values() for i in range(self.num_envs))
        )
        self._keep += [arrays, pointers]
        return arrays, ctypes.cast(pointers, ctypes.POINTER(ctypes.c_void_p))
