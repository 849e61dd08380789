"""Paradigms: how knowledge gets from training tasks to a new one. Start with `paradigm.py`."""

from fvm_meta.adapting import adapt
from fvm_meta.multitask import MultiTask
from fvm_meta.paradigm import Paradigm
from fvm_meta.reptile import Reptile, ReptileConfig
from fvm_meta.rl2 import RL2, RL2Config
from fvm_meta.scratch import Scratch
from fvm_meta.stream import Learner, Policy, Snapshot, Spent, train

__all__ = [
    "RL2",
    "Learner",
    "MultiTask",
    "Paradigm",
    "Policy",
    "RL2Config",
    "Reptile",
    "ReptileConfig",
    "Scratch",
    "Snapshot",
    "Spent",
    "adapt",
    "train",
]
