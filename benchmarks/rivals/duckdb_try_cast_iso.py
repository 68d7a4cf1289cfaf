"""The file of ``benchmarks.sort_out`` into Parquet as a DuckDB script: what can't be cast is NULL."""

import sys

import duckdb

source, target = sys.argv[1:]
names = ["nombre", "apellido", "dni", "estado", "ingreso", "pep", "obligado"]
texts = dict.fromkeys(names, "VARCHAR")
# Without nullif DuckDB 2.0 pushes the casts into read_csv, and fails at the first bad value.
duckdb.connect().execute(
    f"""
    COPY (
        SELECT nombre, apellido, TRY_CAST(nullif(dni, '') AS BIGINT) AS dni, estado,
            TRY_CAST(nullif(ingreso, '') AS DATE) AS ingreso, TRY_CAST(nullif(pep, '') AS BOOLEAN) AS pep,
            TRY_CAST(nullif(obligado, '') AS BOOLEAN) AS obligado
        FROM read_csv('{source}', delim = '|', header = false, quote = '', auto_detect = false, columns = {texts})
    ) TO '{target}' (FORMAT parquet)
    """
)
