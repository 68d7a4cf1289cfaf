"""Ingestion: records checked column by column, the good ones stored, every reason of every bad one reported.

One plan does it all (``planning``):

* ``load``, a scan: a chunk's records are sorted out by its format, cast and checked (``checking``, ``statements``),
  equal ones together (``coding``); the good ones are written as an object of the table, the reasons as finished lines
  of the report (``chunks``).
* ``unique``, a reduce, only where something must be unique: of records that are equal there the first stays.
* ``again``, a scan: chunks that have lost records by that are done once more without them.
* ``settle``, the finish: totals, limits, reports, and what the load comes to (``settling``). The catalog makes it true
  in the transaction that completes the job.
"""
