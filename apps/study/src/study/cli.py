"""The command `study`: reads arguments, runs a study, says in one sentence what went wrong."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import tyro

from study.arguments import Arguments
from study.errors import StudyError

ABOUT = """Compare scratch, multi-task pretraining + fine-tuning, Reptile, RL2 and PEARL on held-out tasks.

Pretrains on training tasks, adapts to each held-out task at an equal budget of env steps, evaluates frozen
snapshots on fresh episodes, and writes a report with 95 % intervals over pretrainings and a verdict on each
claim that was fixed beforehand.

  study --benchmark procgen                      a quarter of an hour on two CPU cores
  study --benchmark procgen --dry-run            what it would take here
  study --benchmark procgen --seeds 5            more seeds: only what is missing is run
  study --benchmark procgen --methods rl2:both   another method: only what is missing is run
  study --benchmark procgen --tune 4             first tune every method equally on validation levels
  study --benchmark atari                        Rainbow on real games, minutes
  study --benchmark toy                          where the best return is known
  study --benchmark rlbench                      manipulation: what players that never learn solve
  study --benchmark procgen --preset paper --device cuda

Stop with Ctrl-C at any time; the same command goes on where it was."""


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command and exits: 0 done, 2 not done as asked, 130 interrupted."""
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
