"""The command `study`: reads arguments, runs a study, says in one sentence what went wrong."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import pairwise
from typing import Any

from study.command_line.standard_streams import courteous, open_missing
from study.errors import StudyError, in_one_line, refused, said_of

ABOUT = """Compare scratch, multi-task pretraining + fine-tuning, Reptile, RL2 and PEARL on held-out tasks.

Pretrains on training tasks, adapts to each held-out task at an equal budget of env steps, evaluates frozen
snapshots on fresh episodes, and writes a report with 95 % intervals over pretrainings and a verdict on each
claim that was fixed beforehand.

  study --benchmark procgen                      some nine minutes on two CPU cores
  study --benchmark procgen --dry-run            what it would take here
  study --benchmark procgen --seeds 5            more seeds: only what is missing is run
  study --benchmark procgen --methods rl2:both   another method: only what is missing is run
  study --benchmark procgen --tune 4             first tune every method equally on validation levels
  study --benchmark atari                        Rainbow on real games, minutes
  study --benchmark toy                          where the best return is known
  study --benchmark rlbench                      manipulation by poses, with demonstrations of the test task
  study --benchmark procgen --preset paper --device cuda

  study work FOLDER      take jobs of that study, on any machine that sees its folder (docs/cluster.md)
  study status FOLDER    how far it is, and who works on what
  study report FOLDER    the page of what is finished so far; --watch keeps it up to date
  study agents FOLDER    the agents that it has trained; --to takes one out
  study stop FOLDER      have all workers save and stop
  study slurm FOLDER     workers as an sbatch array
  study export FOLDER FILE.tar, study import FILE.tar FOLDER    a study as one file
  study --version

Stop with Ctrl-C at any time; the same command goes on where it was."""

STOPPED = "study: stopped; the same command goes on from here"


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command and exits: 0 done, 2 not done as asked, 130 interrupted."""
    open_missing()
    sys.exit(run(argv))


def run(argv: Sequence[str] | None = None) -> int:
    """Returns the exit status of `study` with these arguments."""
    with courteous():
        try:
            return _run(sys.argv[1:] if argv is None else list(argv))
        except Exception as error:
            if not (said := said_of(error) or sentence_of(error)):
                raise
            print(f"study: {in_one_line(said)}", file=sys.stderr)
            return 2
        except KeyboardInterrupt as error:
            print(f"study: {error}" if error.args else STOPPED, file=sys.stderr)
            return 130


def sentence_of(error: Exception) -> str:
    """Returns what to say of an error that arose in a plug-in, or on purpose; empty for any other."""
    from study import plugins

    said = plugins.in_a_sentence(error)
    if refused(error):
        return said
    if not plugins.line_in_a_plugin(error):
        return ""
    return f"a plug-in failed: {said}; mend it and run the same command again: what has run is kept"


def _run(argv: list[str]) -> int:
    if argv == ["--version"]:
        from importlib.metadata import version

        print(f"study {version('fvm-study')}")
        return 0
    if argv and not argv[0].startswith("-"):
        with loading():
            from study.command_line.commands import run_command
        return run_command(argv[0], argv[1:])
    with loading():
        import tyro

        from study.command_line.arguments import Arguments, check_words
    about = ABOUT + plugged_in(argv) if {"--help", "-h"} & {*argv} else ABOUT
    check_words(argv, Arguments.__annotations__)
    arguments = tyro.cli(
        Arguments, prog="study", description=about, args=argv, config=(tyro.conf.OmitArgPrefixes,)
    )
    with loading():
        from study.run import run_study  # torch takes seconds to import; --help should not

    return run_study(arguments)


def plugged_in(argv: Sequence[str]) -> str:
    """Returns what installed plug-ins and those on the command line bring, for `--help`; mostly nothing."""
    from importlib.metadata import entry_points

    named = [word for flag, word in pairwise(argv) if flag == "--plugin"]
    named += [word.removeprefix("--plugin=") for word in argv if word.startswith("--plugin=")]
    if not named and not entry_points(group="fvm_study.plugins"):
        return ""  # and torch need not be loaded
    with loading():
        from study import plugins, registry
    plugins.load(named)
    lines = [f"  {kind}: {', '.join(names)}" for kind, names in registry.brought().items()]
    return "\n\nFrom plug-ins:\n\n" + "\n".join(lines) if lines else ""


@contextmanager
def loading() -> Iterator[None]:
    """While open, modules are imported: Ctrl-C and a lack of memory end it with a sentence.

    Libraries turn an interrupt that comes while they load into errors of their own, so it ends the process
    at once: nothing runs yet.

    Raises:
        StudyError: Something cannot be loaded.
    """
    plain = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    mine = plain and threading.current_thread() is threading.main_thread()
    if mine:
        signal.signal(signal.SIGINT, _stop_at_once)
    try:
        yield
    except (ImportError, OSError, MemoryError, RuntimeError) as error:
        why = " ".join(str(error).split()) or type(error).__name__
        if "writable" in why:  # Matplotlib's own words: it finds no place for its cache
            raise StudyError(f"cannot load what a study needs: {why}, or make room there") from None
        raise StudyError(
            f"cannot load what a study needs ({why[:200]}); if memory is limited here (`ulimit -v`), raise "
            f"the limit, else install the packages again (`uv sync`)"
        ) from None
    finally:
        if mine:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _stop_at_once(*_: Any) -> None:
    with suppress(OSError):
        os.write(2, STOPPED.encode() + b"\n")
    os._exit(130)


if __name__ == "__main__":
    main()
