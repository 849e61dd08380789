"""The bookkeeping around a CUDA graph, with a stand-in that replays by calling the function again."""

from contextlib import contextmanager, nullcontext
from types import SimpleNamespace

import torch
from fvm_learners.cuda_graph import Graphed, record_cuda_graph


class Recorder:
    """Records as CUDA does: nothing is computed until a replay, which writes into the same outputs."""

    def __init__(self):
        self.recorded = 0
        self.replayed = 0

    def __call__(self, function):
        self.recorded += 1
        outputs = {"sum": torch.full((2,), float("nan")), "rest": (torch.full((), float("nan")),)}

        def replay():
            self.replayed += 1
            new = function()
            outputs["sum"].copy_(new["sum"])
            outputs["rest"][0].copy_(new["rest"][0])

        return replay, outputs


def test_replays_see_the_inputs_of_their_call_and_outputs_last():
    calls = []

    def function(a, b):
        calls.append(a.data_ptr())
        return {"sum": a + b, "rest": (a.mean(),)}

    recorder = Recorder()
    graphed = Graphed(function, warm_up=2, record=recorder)
    inputs = [(torch.full((2,), float(i)), torch.full((2,), 10.0 * i)) for i in range(6)]
    outputs = [graphed(*pair) for pair in inputs]
    assert [out["sum"].tolist() for out in outputs] == [[11.0 * i] * 2 for i in range(6)]
    assert [out["rest"][0].item() for out in outputs] == list(range(6))
    assert (recorder.recorded, recorder.replayed) == (1, 4)
    assert calls[:2] == [a.data_ptr() for a, _ in inputs[:2]]
    assert len(set(calls[2:])) == 1  # always the same tensors
    assert inputs[2][0].tolist() == [2, 2]  # and not the caller's


def test_a_forgotten_recording_is_made_again():
    recorder = Recorder()
    graphed = Graphed(lambda a: {"sum": a * 2, "rest": (a.sum(),)}, warm_up=1, record=recorder)
    for _ in range(3):
        graphed(torch.ones(2))
    graphed.forget()
    for _ in range(3):
        assert graphed(torch.ones(2))["sum"].tolist() == [2, 2]
    assert (recorder.recorded, recorder.replayed) == (2, 4)


class OnSecondDevice(torch.Tensor):
    """Says that it lies on the second CUDA device; all else is a CPU tensor's."""

    device = torch.device("cuda", 1)


class Current:
    """Stands for CUDA's current device and streams, and notes on which device each thing happens."""

    def __init__(self):
        self.device, self.seen = 0, []

    @contextmanager
    def on(self, device):
        before, self.device = self.device, torch.device(device).index
        yield
        self.device = before

    def stream(self):
        self.seen.append(("stream", self.device))
        return SimpleNamespace(wait_stream=lambda other: None)


def test_warm_up_recording_and_replays_are_on_the_tensors_device_whichever_is_current(monkeypatch):
    current = Current()
    monkeypatch.setattr(torch.cuda, "device", current.on)
    monkeypatch.setattr(torch.cuda, "current_stream", current.stream)
    monkeypatch.setattr(torch.cuda, "Stream", current.stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: nullcontext())

    def note(what):
        current.seen.append((what, current.device))

    def record(function):
        note("recording")
        outputs = function()
        return lambda: note("replay"), outputs

    def function(a):
        note("call")
        return a * 2

    graphed = Graphed(function, warm_up=1, record=record)
    given = torch.ones(2).as_subclass(OnSecondDevice)
    for _ in range(2):
        assert graphed(given).tolist() == [2, 2]
    assert current.seen == [(what, 1) for what in ("stream", "stream", "call", "recording", "call", "replay")]
    assert current.device == 0  # and the caller's stays the current one


def test_a_recording_is_made_of_a_cuda_graph_around_the_function_after_all_else_is_done(monkeypatch):
    events = []

    class Graph:
        def replay(self):
            events.append("replay")

    @contextmanager
    def recorded(graph):
        events.append("begin")
        yield
        events.append("end")

    monkeypatch.setattr(torch.cuda, "synchronize", lambda: events.append("synchronize"))
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", recorded)
    replay, outputs = record_cuda_graph(lambda: events.append("function") or "outputs")
    replay()
    assert outputs == "outputs"
    assert events == ["synchronize", "begin", "function", "end", "replay"]
