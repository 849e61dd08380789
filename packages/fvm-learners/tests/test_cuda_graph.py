"""The bookkeeping around a CUDA graph, with a stand-in that replays by calling the function again."""

import torch
from fvm_learners.cuda_graph import Graphed


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
