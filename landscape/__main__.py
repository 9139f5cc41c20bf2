"""``python -m landscape COMMAND …`` is the command line, as for `landscape.cli`."""

from landscape.cli import main

if __name__ == "__main__":
    main()
