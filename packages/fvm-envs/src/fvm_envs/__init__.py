"""fvm_envs."""
