"""fvm_meta."""
