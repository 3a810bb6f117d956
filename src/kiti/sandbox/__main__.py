"""`python -m kiti.sandbox HOST PORT`: the sandbox as a child of the demo, quick to start."""

import sys

from kiti.sandbox import load_sandbox_settings, run

if __name__ == "__main__":
    run(sys.argv[1], int(sys.argv[2]), load_sandbox_settings())
