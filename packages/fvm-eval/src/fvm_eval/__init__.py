"""fvm_eval."""
