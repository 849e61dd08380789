"""MLflow as a sink: a process of its own, which knows the folder and that nobody waits for."""
