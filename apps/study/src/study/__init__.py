"""Compare ways of adapting an RL agent to a new task."""
