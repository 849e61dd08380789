"""RLBench's tasks in MuJoCo."""
