"""`python -m sparse_keras`: the `sparse-keras` command without its script on the PATH."""

import sys

from sparse_keras.cli import main

if __name__ == "__main__":
    sys.exit(main())
