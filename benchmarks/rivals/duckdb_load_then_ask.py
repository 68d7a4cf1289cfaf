"""The four questions as a DuckDB script that loads the needed columns once, then asks."""

import sys
from pathlib import Path

import duckdb
import yaml

document, data, output = yaml.safe_load(Path(sys.argv[1]).read_text()), Path(sys.argv[2]), Path(sys.argv[3])
output.mkdir(parents=True, exist_ok=True)
con = duckdb.connect()
for name, table in document["tables"].items():
    types = ", ".join(f"'{column}': '{type_}'" for column, type_ in table["columns"].items())
    columns = ", ".join(table["columns"])
    con.execute(
        f"CREATE TABLE {name} AS SELECT {columns} "
        f"FROM read_csv('{data / table['files']}', header = true, types = {{{types}}})"
    )
for name, query in document["queries"].items():
    con.execute(f"COPY ({query['sql']}) TO '{output / name}_0001.csv' (HEADER)")
