"""Prioritised replay of n-step transitions, which knows no learner."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fvm_learners.replay.replay import Context, Replay, Transitions
    from fvm_learners.replay.replays import make_replays

__all__ = ["Context", "Replay", "Transitions", "make_replays"]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from fvm_learners.replay import replay, replays  # load torch

        return getattr(replays if name == "make_replays" else replay, name)
