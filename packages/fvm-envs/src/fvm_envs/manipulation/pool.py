"""Where slots live: in the caller's process or spread over others. Same calls, same results."""

from __future__ import annotations

import contextlib
import multiprocessing
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any, Protocol

MakeSlot = Callable[[], Any]


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

    Args:
        make: Makes a slot.
        num_slots: How many.
        num_processes: How many processes share them.
        silence_s: A process that does not answer for so long is killed and counts as dead; None waits.

    Raises:
        RuntimeError: If a process died.
    """

    def __init__(
        self, make: MakeSlot, num_slots: int, num_processes: int, *, silence_s: float | None = None
    ) -> None:
        self._make = make
        self._silence_s = silence_s
        self._num = min(num_processes, num_slots)
        started = [self._start() for _ in range(self._num)]
        self._pipes = [pipe for pipe, _ in started]
        self._processes = [process for _, process in started]

    def _start(self) -> tuple[Connection, SpawnProcess]:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, self._make), daemon=True)
        process.start()
        theirs.close()
        return ours, process

    def restart(self, worker: int) -> None:
        """Start a process that died anew; its slots have forgotten everything."""
        self._pipes[worker].close()
        self._processes[worker].join(5)
        self._pipes[worker], self._processes[worker] = self._start()

    def call(self, method: str, arguments: Mapping[int, tuple[Any, ...]]) -> dict[int, Any]:
        """The result of `method` for each slot in `arguments`; the processes work at the same time."""
        results, dead = self.try_call(method, arguments)
        if dead:
            self.close()
            raise RuntimeError("a process of the environment died: make the environment anew")
        return {slot: results[slot] for slot in arguments}

    def try_call(
        self, method: str, arguments: Mapping[int, tuple[Any, ...]]
    ) -> tuple[dict[int, Any], list[int]]:
        """The results, and the slots whose process died instead of answering."""
        shares: list[dict[int, tuple[Any, ...]]] = [{} for _ in range(self._num)]
        for slot, each in arguments.items():
            shares[slot % self._num][slot] = each
        results: dict[int, Any] = {}
        errors: list[Exception] = []
        dead: list[int] = []
        sent = []
        for worker, share in enumerate(shares):
            if share:
                try:
                    self._pipes[worker].send((method, share))
                    sent.append(worker)
                except OSError:
                    dead.extend(share)
        for worker in sent:
            if not self._pipes[worker].poll(self._silence_s):
                self._processes[worker].kill()
            try:
                error, answers = self._pipes[worker].recv()
            except (EOFError, OSError):
                dead.extend(shares[worker])
                continue
            results.update(answers)
            if error is not None:
                errors.append(error)
        if errors:
            raise errors[0]
        return results, dead

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
    slots: dict[int, Any] = {}
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
                # The other side would import a simulator's package to read an exception of its own.
                ours = type(error).__module__.split(".")[0] in ("builtins", "fvm_envs")
                failed = error if ours else RuntimeError(f"{type(error).__name__}: {error}")
        pipe.send((failed, results))
