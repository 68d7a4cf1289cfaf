"""``python -m tolva`` is the command ``tolva``."""

from tolva.cli import main

if __name__ == "__main__":
    main()
