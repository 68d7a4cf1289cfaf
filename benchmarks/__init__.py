"""Measurements against other systems, side by side in one run, with the results checked equal."""
