"""One step of the schema a file. A released step never changes."""
