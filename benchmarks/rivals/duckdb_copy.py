"""CSV files into one Parquet file as a DuckDB script."""

import sys

import duckdb

source, target = sys.argv[1:]
duckdb.connect().execute(f"COPY (FROM read_csv('{source}')) TO '{target}' (FORMAT parquet)")
