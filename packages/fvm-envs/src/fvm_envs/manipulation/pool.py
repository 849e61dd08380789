"""Where slots live: in the caller's process or spread over others. Same calls, same results."""

from __future__ import annotations

import contextlib
import multiprocessing
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from typing import Any, Protocol

from fvm_envs.manipulation.slot import Slot

MakeSlot = Callable[[], Slot]


class Pool(Protocol):
    """Calls a method of some slots."""

    def call(self, method: str, arguments: Mapping[int, tuple[Any, ...]]) -> dict[int, Any]:
        """The result of `method` for each slot in `arguments`."""

    def close(self) -> None:
        """End the processes."""


class Here:
    """All slots in the caller's process."""

    def __init__(self, make: MakeSlot, num_slots: int) -> None:
        self._slots = [make() for _ in range(num_slots)]

    def call(self, method: str, arguments: Mapping[int, tuple[Any, ...]]) -> dict[int, Any]:
        """The result of `method` for each slot in `arguments`."""
        return {slot: getattr(self._slots[slot], method)(*each) for slot, each in arguments.items()}

    def close(self) -> None:
        """Nothing to end."""
        self._slots = []


class Processes:
    """Slot i in process i modulo their number, started by spawning.

    Raises:
        RuntimeError: If a process could not start or died.
    """

    def __init__(self, make: MakeSlot, num_slots: int, num_processes: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._num = min(num_processes, num_slots)
        self._pipes: list[Connection] = []
        self._processes = []
        for _ in range(self._num):
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs, make), daemon=True)
            process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)

    def call(self, method: str, arguments: Mapping[int, tuple[Any, ...]]) -> dict[int, Any]:
        """The result of `method` for each slot in `arguments`; the processes work at the same time."""
        shares: list[dict[int, tuple[Any, ...]]] = [{} for _ in range(self._num)]
        for slot, each in arguments.items():
            shares[slot % self._num][slot] = each
        busy = [worker for worker in range(self._num) if shares[worker]]
        results: dict[int, Any] = {}
        errors: list[Exception] = []
        try:
            for worker in busy:
                self._pipes[worker].send((method, shares[worker]))
            for worker in busy:
                error, share = self._pipes[worker].recv()
                results.update(share)
                if error is not None:
                    errors.append(error)
        except (EOFError, ConnectionError) as error:
            self.close()
            raise RuntimeError("a process of the environment died: make the environment anew") from error
        if errors:
            raise errors[0]
        return {slot: results[slot] for slot in arguments}

    def close(self) -> None:
        """End the processes; may be repeated."""
        for pipe in self._pipes:
            with contextlib.suppress(OSError, ValueError):
                pipe.send(None)
            pipe.close()
        for process in self._processes:
            process.join(5)
            if process.is_alive():
                process.terminate()
        self._pipes, self._processes = [], []


def _serve(pipe: Connection, make: MakeSlot) -> None:
    """Answer calls until None comes or the other side is gone."""
    slots: dict[int, Slot] = {}
    while True:
        try:
            message = pipe.recv()
        except (EOFError, KeyboardInterrupt):
            return
        if message is None:
            return
        method, arguments = message
        results: dict[int, Any] = {}
        failed: Exception | None = None
        for slot, each in arguments.items():
            if slot not in slots:
                slots[slot] = make()
            try:
                results[slot] = getattr(slots[slot], method)(*each)
            except Exception as error:
                failed = error
        pipe.send((failed, results))
