"""`python -m kiti` is the command line."""

from kiti.cli import main

if __name__ == "__main__":
    main()
