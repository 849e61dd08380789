"""fvm_learners."""
