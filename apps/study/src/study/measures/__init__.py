"""What agents are asked besides their score on held-out tasks, a file each."""

from study.measures.control import CONTROL_FAMILY
from study.measures.demonstrated import DEMONSTRATED
from study.measures.far import FAR, FAR_TEACHER
from study.measures.films import FILMS
from study.measures.forgetting import FORGOTTEN
from study.measures.latents import LATENTS
from study.measures.moments import MOMENTS
from study.measures.new_levels import ZERO_SHOT_LEVELS
from study.measures.new_trials import TRIALS_ON_NEW_LEVELS
from study.measures.posteriors import POSTERIORS
from study.measures.responses import RESPONSES
from study.measures.schedules import SCHEDULES
from study.measures.seconds import SECONDS
from study.measures.seen import SEEN
from study.measures.tasks import TASKS
from study.measures.training_return import TRAINING_RETURN
from study.measures.trials import TRIALS_OF_LIFETIMES
from study.measures.tuned import TUNED_BASELINE

MEASURES = (
    TRAINING_RETURN,
    ZERO_SHOT_LEVELS,
    TRIALS_ON_NEW_LEVELS,
    TRIALS_OF_LIFETIMES,
    LATENTS,
    TASKS,
    MOMENTS,
    SECONDS,
    POSTERIORS,
    SCHEDULES,
    CONTROL_FAMILY,
    DEMONSTRATED,
    FILMS,
    SEEN,
    FORGOTTEN,
    TUNED_BASELINE,
    FAR,
    FAR_TEACHER,
    RESPONSES,
)

__all__ = ["MEASURES"]
