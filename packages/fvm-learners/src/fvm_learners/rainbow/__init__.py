"""Rainbow and its data-efficient variant: `rainbow.py` is the algorithm, `acting.py` fills its replay."""

from typing import TYPE_CHECKING

from fvm_learners.rainbow.config import DATA_EFFICIENT, RAINBOW, SMALL, RainbowConfig

if TYPE_CHECKING:
    from fvm_learners.rainbow.rainbow import Rainbow, rainbow_loss

__all__ = ["DATA_EFFICIENT", "RAINBOW", "SMALL", "Rainbow", "RainbowConfig", "rainbow_loss"]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in ("Rainbow", "rainbow_loss"):
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from fvm_learners.rainbow import rainbow  # loads torch, which a config does not need

        return getattr(rainbow, name)
