"""Prioritised replay of n-step transitions, which knows no learner."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fvm_learners.replay.replay import Context, Replay, Transitions, make_replays

__all__ = ["Context", "Replay", "Transitions", "make_replays"]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from fvm_learners.replay import replay  # loads torch, which `replay_size` does without

        return getattr(replay, name)
