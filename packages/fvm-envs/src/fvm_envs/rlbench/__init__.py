"""The same tasks in RLBench itself, for those who have CoppeliaSim.

Nothing here imports RLBench, PyRep or a simulator into the caller's process: they live in processes of their
own, one each. `check_installation()` says what is missing.
"""

from fvm_envs.rlbench.demos import RecordedDemo, get_demos
from fvm_envs.rlbench.env import RLBenchVec
from fvm_envs.rlbench.installation import Installation, Stage, check_installation

__all__ = ["Installation", "RLBenchVec", "RecordedDemo", "Stage", "check_installation", "get_demos"]
