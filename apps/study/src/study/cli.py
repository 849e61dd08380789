"""The command `study`: reads arguments, runs a study, says in one sentence what went wrong."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from study.errors import StudyError

ABOUT = """Compare training from scratch with multi-task pretraining + fine-tuning on held-out tasks.

Pretrains on training levels, adapts to each held-out level at an equal budget of env steps, evaluates frozen
snapshots on fresh episodes, and writes a report with 95 % intervals over pretrainings.

  study --benchmark procgen                      minutes on two CPU cores
  study --benchmark procgen --dry-run            what it would take here
  study --benchmark procgen --seeds 5            more seeds: only what is missing is run
  study --benchmark procgen --preset paper --device cuda

Stop with Ctrl-C at any time; the same command goes on where it was."""


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Everything a user can ask of a study."""

    benchmark: str
    """Family of tasks: procgen (real Coinrun and 15 other games) or toy (Catch, with a known best return)."""
    preset: str | None = None
    """Size of the study: quick (10 minutes on 2 cores), small (an hour) or paper (needs GPUs); quick if there
    is no CUDA GPU, else small."""
    methods: tuple[str, ...] | None = None
    """What to compare: scratch, multitask; the preset's if not given."""
    seeds: int | None = None
    """Independent pretrainings of each method. Intervals come from these: at least 2, and 5 for a verdict."""
    train_levels: tuple[int, ...] | None = None
    """Sizes of the training set, one pretraining each, on nested sets: --train-levels 100 1000."""
    held_out_levels: tuple[int, ...] | None = None
    """Levels to adapt to, instead of the preset's (chosen beforehand for their headroom)."""
    game: str | None = None
    """Procgen game or toy family, instead of the preset's."""
    mode: str | None = None
    """Procgen distribution mode (easy, hard, extreme, memory, exploration), instead of the preset's."""
    pretrain_env_steps: int | None = None
    """Env steps of one pretraining."""
    adapt_env_steps: int | None = None
    """Env steps of one adaptation."""

    output: Path | None = None
    """Folder for all results; studies/BENCHMARK-PRESET if not given. Run again on it to go on or extend."""
    device: str = "auto"
    """cpu, cuda, cuda:1, ...; auto takes a CUDA GPU if there is one."""
    workers: int | None = None
    """Processes that run jobs side by side; 0 runs them in this one. One a core on a CPU if not given."""
    dry_run: bool = False
    """Show the grid, and by a short measurement the time, disk and memory it would take here; run nothing."""
    video: str | None = None
    """Task id, such as procgen/coinrun-easy/200001: write a gif of each method's last agent playing it."""
    tracking_uri: str | None = None
    """MLflow server (http://host:5000); an sqlite file in the output folder if not given."""
    tracking: bool = True
    """Log to MLflow."""
    checkpoint_every_s: float = 30.0
    """Seconds between checkpoints of a running job. No influence on results."""
    plain: bool = False
    """Plain lines instead of live bars; the default where the output is no terminal."""


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command and exits: 0 done, 1 some jobs failed, 2 cannot be done as asked, 130 interrupted."""
    sys.exit(run(argv))


def run(argv: Sequence[str] | None = None) -> int:
    """Returns the exit status of `study` with these arguments."""
    arguments = tyro.cli(
        Arguments, prog="study", description=ABOUT, args=argv, config=(tyro.conf.OmitArgPrefixes,)
    )
    try:
        from study.run import run_study  # torch takes seconds to import; --help should not

        return run_study(arguments)
    except StudyError as error:
        print(f"study: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("study: stopped; the same command goes on from here", file=sys.stderr)
        return 130


if __name__ == "__main__":
    main()
