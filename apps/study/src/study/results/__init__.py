"""From finished jobs to tables, evidence, verdicts and the report."""
