"""What a study takes: measured beforehand, and again from the jobs that ran."""
