"""A thin door to `landscape.cli`: ``python cli.py COMMAND …`` works in a checkout without installing."""

from landscape.cli import main

if __name__ == "__main__":
    main()
