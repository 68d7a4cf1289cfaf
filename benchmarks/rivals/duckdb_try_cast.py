"""A client file into Parquet as a DuckDB script: what can't be cast is NULL, and nobody is told."""

import sys

import duckdb

source, target = sys.argv[1:]
names = ["nombre", "apellido", "dni", "estado", "fechaIngreso", "esPep", "esSujetoObligado"]
duckdb.connect().execute(
    f"""
    COPY (
        SELECT concat_ws(' ', nombre, apellido) AS NombreCompleto, TRY_CAST(dni AS BIGINT) AS DNI, estado AS Estado,
            CAST(try_strptime(fechaIngreso, '%m/%d/%Y') AS DATE) AS FechaIngreso,
            TRY_CAST(esPep AS BOOLEAN) AS EsPEP, TRY_CAST(esSujetoObligado AS BOOLEAN) AS EsSujetoObligado,
            now()::TIMESTAMP AS FechaCreacion
        FROM read_csv('{source}', delim = '|', header = false, quote = '', all_varchar = true, names = {names})
    ) TO '{target}' (FORMAT parquet)
    """
)
