"""Tables with everything in them that is easy to get wrong."""

from __future__ import annotations

ROWS = 240

SALES = f"""
CREATE TABLE sales AS SELECT
  CASE WHEN random() < 0.1 THEN NULL ELSE (random() * 9)::INTEGER END AS shop,
  (random() * 1000)::BIGINT AS amount,
  CASE WHEN random() < 0.1 THEN NULL ELSE (random() * 100)::DECIMAL(18,3) END AS price,
  CASE WHEN random() < 0.05 THEN 'nan'::DOUBLE WHEN random() < 0.05 THEN 'inf'::DOUBLE WHEN random() < 0.1 THEN -0.0
       WHEN random() < 0.1 THEN 0.0 WHEN random() < 0.1 THEN NULL ELSE (random() * 5)::INTEGER::DOUBLE END AS weight,
  CASE WHEN random() < 0.1 THEN NULL WHEN random() < 0.1 THEN '' WHEN random() < 0.2 THEN 'a,"b' || chr(10) || 'ü'
       ELSE chr((97 + random() * 4)::INTEGER) END AS item,
  TIMESTAMP '2024-01-01' + to_seconds((random() * 3e7)::INTEGER) AS sold_at,
  DATE '2024-01-01' + (random() * 60)::INTEGER AS day,
  CASE WHEN random() < 0.2 THEN NULL ELSE random() < 0.5 END AS paid
FROM range({ROWS})
"""
SHOPS = """
CREATE TABLE shops AS SELECT
  CASE WHEN random() < 0.1 THEN NULL ELSE (random() * 12)::INTEGER END AS shop,
  chr((97 + random() * 5)::INTEGER) AS "Name",
  random() * 3 AS size
FROM range(20)
"""
ODD = """
CREATE TABLE odd AS SELECT
  i::TINYINT AS t, (i * 3)::USMALLINT AS us, (i::HUGEINT * 10::HUGEINT ** 30)::HUGEINT AS h, (i / 3)::FLOAT AS f,
  ('00000000-0000-0000-0000-0000000000' || lpad((i % 7)::VARCHAR, 2, '0'))::UUID AS u,
  TIMESTAMPTZ '2024-01-01 00:00:00+02' + to_hours((i % 5)::INTEGER) AS tz, to_days((i % 4)::INTEGER) AS span,
  TIME '10:00' + to_minutes((i % 3)::INTEGER) AS clock, encode(repeat('x', (i % 3)::INTEGER)) AS raw,
  [i % 3, NULL, i] AS list, {'k': i % 4, 'word': 'w' || (i % 2)} AS pair, MAP {'a': i % 2} AS dict,
  ['z', 'a', 'm', NULL][i % 4 + 1]::ENUM('z', 'm', 'a') AS mood, row(i % 2, 'x') AS couple,
  (i % 5)::DECIMAL(4,1) AS small, (i % 5)::DECIMAL(38,10) AS wide, TIMESTAMP_NS '2024-01-01 00:00:00.000000001' AS ns
FROM range(40) AS r(i)
"""
NOTHING = "CREATE TABLE nothing (shop INTEGER, item VARCHAR, price DECIMAL(18,3))"

STATEMENTS = ("SELECT setseed(0.4)", SALES, SHOPS, ODD, NOTHING)
