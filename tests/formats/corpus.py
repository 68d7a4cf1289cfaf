"""Awkward files: every way to write a table, and every way to get it wrong."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import product

from tolva.formats.delimited.dialect import Dialect

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

TYPES = {"id": "INTEGER", "text": "VARCHAR", "amount": "DECIMAL(18,3)", "day": "DATE"}
CHUNK_BYTES = (1 << 30, 97)


COMMA = Dialect()


@dataclass(frozen=True)
class Awkward:
    """A file: its text before it is encoded and packed, how it is written, and what is declared of it."""

    name: str
    text: bytes
    dialect: Dialect = COMMA
    types: dict[str, str] = field(default_factory=lambda: TYPES)
    encode: Callable[[bytes], bytes] = bytes
    declared: dict[str, object] = field(default_factory=dict)
    suffix: str = ".csv"
    chunk_bytes: tuple[int, ...] = CHUNK_BYTES


def corpus() -> list[Awkward]:
    """Return all the files; names are distinct."""
    return [*_dialects(), *_encodings(), *_shapes(), *_values(), *_giants()]


HEADER = list(TYPES)
GOOD = ["7", "plain", "1.500", "2024-02-29"]
RECORDS = [
    GOOD,
    ["-1", "{d}{q}{n}", "-0.001", "1999-12-31"],
    ["", "", "", ""],
    ["x", "bad id", "1", "2024-01-01"],
    ["2", "{q}", "12", "2024-13-01"],
    ["3", "many", "9", "2024-01-01", "5"],
    ["4", "few", "1"],
    ["5", "both", "1,5x", "0000-00-00"],
    ["2147483648", "ñandú — 字 🫖", "0.1", "2024-01-01"],
    ["6", "{n}{n}{q}{q}{d}", "1e2", "2024-06-30"],
    ["8", "#", "1", "2024-01-01", ""],
    ["only"],
    ["9", "last", "3", "2024-01-01"],
]


def _dialects() -> Iterator[Awkward]:
    ways = product(",|;\t\x01~", ('"', "'", None), (None, "\\"), ("\n", "\r\n", "mixed"), (True, False), (None, "#"))
    for i, (delimiter, quote, escape, line_end, header, comment) in enumerate(ways):
        if escape and not quote:
            continue
        dialect = Dialect(delimiter, quote, escape, comment, header)
        text = write(dialect, line_end, final=i % 3 != 0, quote_all=i % 5 == 0)
        kinds = "-".join(f"{ord(c):02x}" if c else "no" for c in (delimiter, quote, escape, comment))
        ends = {"\n": "lf", "\r\n": "crlf"}.get(line_end, line_end)
        name = f"dialect-{kinds}-{ends}-{'named' if header else 'bare'}"
        yield Awkward(name, text, dialect, chunk_bytes=CHUNK_BYTES if i % 4 == 0 else CHUNK_BYTES[1:])


def write(dialect: Dialect, line_end: str, *, final: bool, quote_all: bool) -> bytes:
    """Write the records as one who knows the dialect does, so far as it can be done."""
    lines = [HEADER, *RECORDS] if dialect.header else RECORDS
    ends = [line_end if line_end != "mixed" else ("\n", "\r\n")[i % 2] for i in range(len(lines))]
    ends[-1] = ends[-1] if final else ""
    made = []
    for i, (fields, end) in enumerate(zip(lines, ends, strict=True)):
        if dialect.comment and i % 4 == 2:
            made.append(f'{dialect.comment} a "comment{dialect.delimiter}"with quotes\n')
        made.append(dialect.delimiter.join(_written(value, dialect, quote_all and i > 0) for value in fields) + end)
    return "".join(made).encode()


def _written(value: str, dialect: Dialect, quote_all: bool) -> str:
    if dialect.quote is None:
        return value.format(d="/", q='"', n=" ")
    value = value.format(d=dialect.delimiter, q=dialect.quote, n="\n")
    special = {dialect.delimiter, dialect.quote, "\n", dialect.comment}
    if not quote_all and not special & set(value):
        return value
    if dialect.escape:
        value = value.replace(dialect.escape, dialect.escape * 2)
    return (
        dialect.quote + value.replace(dialect.quote, (dialect.escape or dialect.quote) + dialect.quote) + dialect.quote
    )


def _encodings() -> Iterator[Awkward]:
    pack = {"none": bytes, "gzip": gzip.compress, "zstd": zstd.compress, "members": _members}
    for (packing, packed), encoding, mark in product(
        pack.items(), ("utf-8", "latin-1", "utf-16-le", "utf-16-be"), (0, 1)
    ):
        if mark and encoding == "latin-1":
            continue
        text = (b"\xef\xbb\xbf" if mark else b"") + write(COMMA, "\r\n", final=True, quote_all=False)
        if encoding == "latin-1":
            text = text.replace("— 字 🫖".encode(), "ÿ".encode())

        def encode(text: bytes, encoding: str = encoding, packed: Callable[[bytes], bytes] = packed) -> bytes:
            return packed(text.decode().encode(encoding))

        suffix = {"none": ".csv", "zstd": ".csv.zst"}.get(packing, ".csv.gz")
        declared = {"encoding": encoding} if not mark else {}
        yield Awkward(f"{packing}-{encoding}-{mark}", text, encode=encode, declared=declared, suffix=suffix)
    half = write(COMMA, "\n", final=True, quote_all=False) + b"1,\xed\xa0\x80,1,2024-01-01\n"
    yield Awkward(
        "half a surrogate pair",
        half,
        encode=lambda text: text.decode(errors="surrogatepass").encode("utf-16-le", "surrogatepass"),
        declared={"encoding": "utf-16"},
    )


def _members(data: bytes) -> bytes:
    return b"".join(gzip.compress(data[at : at + 50]) for at in range(0, len(data), 50)) + bytes(512)


def _shapes() -> Iterator[Awkward]:
    header = b"id,text,amount,day\n"
    good = b"1,x,1.5,2024-01-01\n"
    shapes = {
        "header only": b"",
        "header only, blank lines": b"\n\n\r\n",
        "one record": good,
        "no final newline": good + good[:-1],
        "final carriage return": good + good[:-1] + b"\r",
        "blank lines between": b"\n" + good + b"\n\r\n" + good + b"\n\n",
        "lone returns": good + b"2,a\rb,1,2024-01-01\n3,c,1\r,2024-01-01\n\r\n4,\r,1,2024-01-01\n" + good,
        "ragged": b"".join(b",".join([b"1"] * n) + b"\n" for n in range(1, 9)) * 3,
        "nothing but delimiters": b"".join(b"," * n + b"\n" for n in range(8)),
        "nothing but quotes": b"".join(b'"' * n + b"\n" for n in range(1, 9)),
        "an extra delimiter everywhere": b"".join(b"%d,x,1,2024-01-01,\n" % i for i in range(40)),
        "an extra delimiter mostly": b"".join(b"%d,x,1,2024-01-01%s\n" % (i, b"," * (i % 3)) for i in range(40)),
        "an extra field behind an extra delimiter": b"1,x,1,2024-01-01,\n" * 5 + b"2,x,1,2024-01-01,y\n",
        "a quote never closed": good * 3 + b'2,"open,1,2024-01-01\n' + good * 3,
        "a quote never closed at the end": good * 3 + b'2,"',
        "quotes inside": good
        + b'2,a"b"c,1,2024-01-01\n3,"a"b"c",1,2024-01-01\n4,"a" ,1,2024-01-01\n5, "a",1,\n'
        + good,
        "a quote after two spaces": good + b'2,  "a,b",1,2024-01-01\n' + good,
        "quoted line ends": b'1,"a\nb\r\nc\rd",1.5,2024-01-01\n' * 9,
        "quoted everything": b'"1","x","1.5","2024-01-01"\n' * 9,
        "quoted nothing": b'"","","",""\n"1","","",\n' * 4,
        "bad bytes": good + b"2,\xff\xfe,1,2024-01-01\n\xe9,\xe9,\xe9,\xe9\n3,caf\xe9,x,2024-01-01\n" + good,
        "bad bytes and ragged": b"\xff\n1,\xff,1,2024-01-01\n\xff,\xff\n1,b,1,2024-01-01\n" * 5,
        "bad bytes in quotes": b'1,"\xff\n\xff",1,2024-01-01\n2,"ok\n\xc3\xa9",1,2024-01-01\n' * 5,
        "cut characters": good + b"2,\xc3,1,2024-01-01\n3,\xf0\x9f,1,2024-01-01\n4,\xed\xa0\x80,1,2024-01-01\n",
        "a byte order mark inside": good + b"\xef\xbb\xbf2,\xef\xbb\xbf,1,2024-01-01\n" + good,
        "a NUL": good + b"2,a\0b,1,2024-01-01\n\0,\0,\0,\0\n" + good,
        "spaces": b" 1 , x , 1.5 , 2024-01-01 \n" * 3 + b"  \n   ,  ,  ,  \n",
        "only bad": b"x,y,z,w\n" * 20,
        "bad first": b"x\n" + good * 20,
        "bad last": good * 20 + b"x",
    }
    for name, records in shapes.items():
        yield Awkward(name, header + records, declared={"encoding": "utf-8", "delimiter": ",", "quote": '"'})
        crlf = records.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        yield Awkward(f"{name}, crlf", header + crlf, declared={"encoding": "utf-8", "delimiter": ",", "quote": '"'})
    yield Awkward("empty", b"")
    yield Awkward("a mark alone", b"\xef\xbb\xbf")
    yield Awkward("a mark and a header", b"\xef\xbb\xbf" + header + good)
    for lines in range(1, 4):
        skipped = b'a report, "made by\n' * lines
        yield Awkward(f"skip {lines}", skipped + header + good * 3, declared={"skip": lines})
    one = {"v": "VARCHAR"}
    yield Awkward("one column", b"v\na\n\nb\n\n", types=one, declared={"delimiter": ",", "header": True})
    yield Awkward("one column, quoted", b'v\n"a\n"\n""\n"\n', types=one, declared={"delimiter": ",", "header": True})


NUMBERS = """0 -0 +1 007 1_000 1e3 1e400 0x1F .5 5. - . inf nan 99999999999999999999 2147483647 -2147483648
    -2147483649 1,5 ½ ٣ 1.5 1.4999 true NULL null N/A"""
MOMENTS = """2024-01-01 2024-02-30 2023-02-29 2024-2-3 0000-00-00 99/99/9999 1/2/2024 2024-01-01T07:08:09 24:00:00 07:08
    2024-01-01T25:00:00 infinity 2024-01-01T07:08:09Z 10000-01-01 ac6f851c-649f-42fb-a606-72be0fdcf8d2"""


def _values() -> Iterator[Awkward]:
    odd = NUMBERS.split()
    for kind in ("INTEGER", "BIGINT", "UTINYINT", "DOUBLE", "DECIMAL(4,2)", "DECIMAL(38,10)", "BOOLEAN", "VARCHAR"):
        lines = [f'{i},"{value}"\n' for i, value in enumerate(odd)]
        types = {"i": "INTEGER", "v": kind}
        yield Awkward(f"numbers as {kind}", ("i,v\n" + "".join(lines)).encode(), types=types, declared={"header": True})
    moments = MOMENTS.split()
    for kind in ("DATE", "TIME", "TIMESTAMP", "TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE", "UUID", "INTERVAL"):
        lines = [f"{i},{value}\n" for i, value in enumerate(moments)]
        types = {"i": "INTEGER", "v": kind}
        yield Awkward(f"moments as {kind}", ("i,v\n" + "".join(lines)).encode(), types=types, declared={"header": True})


def _giants() -> Iterator[Awkward]:
    wide = {f"c{i}": "INTEGER" for i in range(2000)}
    names = ",".join(wide) + "\n"
    row = ",".join(map(str, range(2000)))
    text = (names + f"{row}\n" + row.replace("1999", "x") + "\n" + f"{row},\n{row},1\n1,2\n{row}").encode()
    yield Awkward("2,000 columns", text, types=wide, chunk_bytes=(1 << 30,))
    yield Awkward(
        "2,000 quoted columns",
        (names + ",".join(f'"{i}"' for i in range(2000)) + "\n").encode(),
        types=wide,
        declared={"delimiter": ",", "quote": '"', "header": True},
    )
