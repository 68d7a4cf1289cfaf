"""Export jobs: keys are fetched from a source in parallel, what comes back is rolled up into numbered parts.

::

    keys ----scan: fetch----> runs of lines (records, errors), one stored object a task
                                   |
           finish: compose         |  best fit, whole runs, never over the cap; data while more is fetched
                                   v
                          NAME_0001.ndjson, NAME_0001_error.ndjson

A **run** is what a file in ``finished/`` is to ``tolva.rollup``: whole lines, at most a cap long, and the unit that
parts are made of. It is a segment of a task's partial, so it counts exactly when its task was committed, and once.
"""
