"""A function of tensors, recorded as a CUDA graph and from then on replayed without Python.

An update of a small network is hundreds of kernels that each run for microseconds: launching them one by one
takes longer than they do.
"""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

Output = Any
"""Tensors, alone or in nested tuples and dicts."""
Record = Callable[[Callable[[], Output]], tuple[Callable[[], None], Output]]
"""Records a function: what replays it, and where each replay leaves the outputs."""


class Graphed:
    """Calls `function` itself a few times, as memory pools and libraries need, and then its recording.

    What the function changes (parameters, gradients, an optimiser's state) must stay in the same tensors;
    `forget` the recording where it does not. Inputs must keep their shapes.

    Args:
        function: Of tensors alone, without a look at their values from Python.
        warm_up: Calls before it is recorded.
        record: How.
    """

    def __init__(
        self, function: Callable[..., Output], warm_up: int = 3, record: Record | None = None
    ) -> None:
        self.function, self.warm_up, self._record = function, warm_up, record or record_cuda_graph
        self.forget()

    def forget(self) -> None:
        """Record anew, after as many calls as at first."""
        self._calls = 0
        self._inputs: tuple[Tensor, ...] = ()
        self._replay: Callable[[], None] | None = None
        self._outputs: Output = None

    def __call__(self, *inputs: Tensor) -> Output:
        """What the function returns, in tensors that later calls do not change.

        Streams and graph belong to the inputs' device, whichever the current one is.
        """
        device = inputs[0].device
        with torch.cuda.device(device) if device.type == "cuda" else nullcontext():
            return self._call(*inputs)

    def _call(self, *inputs: Tensor) -> Output:
        if self._calls < self.warm_up:
            self._calls += 1
            return _aside(self.function, inputs)
        if self._replay is None:
            self._inputs = tuple(tensor.clone() for tensor in inputs)
            self._replay, self._outputs = self._record(lambda: self.function(*self._inputs))
        for kept, given in zip(self._inputs, inputs, strict=True):
            kept.copy_(given, non_blocking=True)
        self._replay()
        return _cloned(self._outputs)


def record_cuda_graph(function: Callable[[], Output]) -> tuple[Callable[[], None], Output]:
    """Records the kernels that `function` launches; it computes nothing meanwhile."""
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        outputs = function()
    return graph.replay, outputs


def _aside(function: Callable[..., Output], inputs: tuple[Tensor, ...]) -> Output:
    """What the function returns, computed on another stream, as calls before a recording have to be."""
    if inputs[0].device.type != "cuda":
        return function(*inputs)
    ours, aside = torch.cuda.current_stream(), torch.cuda.Stream()  # type: ignore[no-untyped-call]
    aside.wait_stream(ours)
    with torch.cuda.stream(aside):
        outputs = function(*inputs)
    ours.wait_stream(aside)
    return outputs


def _cloned(outputs: Output) -> Output:
    if isinstance(outputs, dict):
        return {name: _cloned(part) for name, part in outputs.items()}
    if isinstance(outputs, tuple):
        return tuple(_cloned(part) for part in outputs)
    return outputs.clone()
