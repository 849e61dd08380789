"""Named sizes of a study, a file a benchmark; each ends with the benchmark's record."""
