"""The tasks by RLBench's names, one file each."""

from fvm_envs.manipulation.tasks.push_button import PushButton

TASKS = {task.name: task for task in (PushButton(),)}
"""The tasks, by name."""
