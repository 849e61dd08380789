"""Paradigms: how knowledge gets from training tasks to a new one. Start with `paradigm.py`."""

from fvm_meta.multitask import MultiTask
from fvm_meta.paradigm import Paradigm
from fvm_meta.scratch import Scratch
from fvm_meta.stream import Budget, Learner, Ledger, Policy, Snapshot, State, train

__all__ = [
    "Budget",
    "Learner",
    "Ledger",
    "MultiTask",
    "Paradigm",
    "Policy",
    "Scratch",
    "Snapshot",
    "State",
    "train",
]
