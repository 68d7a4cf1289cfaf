"""tolva: an asynchronous job service for big files of records."""

__version__ = "0.1.0"
