"""`python -m study`."""

from study.command_line.cli import main

if __name__ == "__main__":
    main()
