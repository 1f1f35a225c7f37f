"""The program `sparse-keras`, also started by `python -m sparse_keras`."""

import sys

from sparse_keras._internal import interrupts


def main() -> int:
    """Runs the command line; Ctrl-C ends it with a message, also while it is being imported."""
    interrupts.install()
    try:
        try:
            from sparse_keras.cli import main as run
        finally:
            interrupts.check()  # Within an import it can become an ImportError.
        return run()
    except KeyboardInterrupt:
        if "--debug" in sys.argv:
            raise
        print("interrupted", file=sys.stderr)
        return 1
    finally:
        interrupts.leave()


if __name__ == "__main__":
    sys.exit(main())
