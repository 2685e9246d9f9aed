"""``python -m pktlab_cli``: the same as ``pktlab``."""

from pktlab_cli.main import main

if __name__ == "__main__":
    main()
