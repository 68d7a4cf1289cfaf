"""Catalog adapters over one SQL schema; ``config`` alone names them.

``schema`` has the tables and ``migrate`` brings a database to them; ``sql`` is the door, where each method is one
transaction; behind it are the statements by subject: ``jobs``, ``admission``, ``inputs``, ``barriers``, ``claims``,
``committing``, ``reconciling``, ``reports`` and ``fleet``. An adapter (``sqlite``, ``postgresql``) adds what its
database does differently.
"""
