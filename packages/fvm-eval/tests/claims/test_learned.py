"""Whether a pretraining learned, where all checkpoints agree: their spread says nothing, the range does."""

from fvm_eval.claims import pretraining_learned


def test_checkpoints_that_all_reach_the_best_score_have_learned():
    best, none = [1.0] * 5, [0.0] * 5
    assert pretraining_learned(best, none).holds is None
    # Five of five bound a mean of scores in [0, 1] below by .025 ** (1/5) = .478, and random play's above.
    assert pretraining_learned(best, none, score_bounds=(0.0, 1.0)).holds is True
    assert pretraining_learned(best[:2], none[:2], score_bounds=(0.0, 1.0)).holds is False  # too few


def test_where_checkpoints_differ_the_range_changes_nothing():
    scores = [0.5, 0.6, 0.7, 0.55], [0.1, 0.2, 0.15, 0.1]
    assert pretraining_learned(*scores) == pretraining_learned(*scores, score_bounds=(0.0, 1.0))
