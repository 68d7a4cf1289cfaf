-- scan: filters and projections
SELECT * FROM sales
SELECT id, note FROM sales WHERE amount > 50
SELECT id, upper(note) AS loud, amount * 2 AS twice FROM sales WHERE note IS NOT NULL
SELECT id FROM sales WHERE note LIKE '%"%'
SELECT id, note FROM sales WHERE note LIKE '%' || chr(10) || '%'
SELECT id FROM sales WHERE shop IN (1, 3, 5) AND day BETWEEN DATE '2024-02-01' AND DATE '2024-02-10'
SELECT id FROM sales WHERE note IS NULL OR weight IS NULL
SELECT id, CASE WHEN amount > 80 THEN 'high' WHEN amount > 20 THEN 'middle' ELSE 'low' END AS band FROM sales
SELECT id, coalesce(note, 'none') AS note, day + INTERVAL 1 DAY AS next_day FROM sales WHERE NOT flag
SELECT 1 AS one, 'x' AS x, NULL AS nothing FROM sales WHERE id < 3
SELECT id AS "select", note AS "a,b", amount AS "q""q" FROM sales WHERE id < 20
SELECT * FROM shops
SELECT shop, name FROM shops WHERE city IS NOT NULL
SELECT id FROM sales WHERE false
SELECT length(note) AS n, id % 7 AS seventh FROM sales WHERE id % 7 = 3
-- groups: partial and final
SELECT count(*) FROM sales
SELECT count(*), count(note), sum(amount), min(day), max(day) FROM sales
SELECT count(*), sum(amount), avg(amount), min(note) FROM sales WHERE false
SELECT shop, count(*) AS n FROM sales GROUP BY shop
SELECT shop, sum(amount), sum(id), min(amount), max(amount) FROM sales GROUP BY shop
SELECT shop, avg(amount), avg(id), avg(weight) FROM sales GROUP BY shop
SELECT shop, flag, count(*) FROM sales GROUP BY ALL
SELECT shop, flag, count(*) FROM sales GROUP BY 1, 2
SELECT shop % 2 AS odd, count(*) AS n FROM sales GROUP BY odd
SELECT date_trunc('month', day) AS month, sum(amount) AS taken FROM sales GROUP BY month
SELECT year(day) AS y, month(day) AS m, count(*) FROM sales GROUP BY y, m
SELECT id, count(*) FROM sales GROUP BY id
SELECT note, count(*) FROM sales GROUP BY note
SELECT shop, count(*) FILTER (WHERE amount > 50) AS dear, sum(amount) FILTER (WHERE flag) AS flagged FROM sales GROUP BY shop
SELECT shop, sum(amount) / count(*) AS mean, max(amount) - min(amount) AS spread FROM sales GROUP BY shop
SELECT shop, sum(amount) FROM sales GROUP BY shop HAVING sum(amount) > 1000
SELECT shop, count(*) FROM sales WHERE flag GROUP BY shop HAVING count(*) > 5 AND min(amount) < 10
SELECT bool_and(flag), bool_or(flag), bit_xor(id) FROM sales
SELECT shop, bool_or(flag), bit_and(id), bit_or(id) FROM sales GROUP BY shop
SELECT shop, stddev(weight), var_pop(weight) FROM sales GROUP BY shop
SELECT shop, count(DISTINCT note) FROM sales GROUP BY shop
SELECT count(DISTINCT shop), count(DISTINCT day) FROM sales
SELECT shop, median(amount) FROM sales GROUP BY shop
SELECT shop, quantile_cont(amount, 0.9) FROM sales GROUP BY shop
SELECT shop, string_agg(note, '|' ORDER BY id) FROM sales WHERE id < 200 GROUP BY shop
SELECT shop, list(id ORDER BY id) FROM sales WHERE id < 100 GROUP BY shop
SELECT shop, arg_max(note, id), arg_min(day, id) FROM sales GROUP BY shop
SELECT sum(amount) * 2 + 1 AS x, count(*) > 10 AS many FROM sales
SELECT max(length(note)) FROM sales
SELECT day, count(*) AS n FROM sales GROUP BY day HAVING n > 3
-- distinct and sets
SELECT DISTINCT shop FROM sales
SELECT DISTINCT shop, flag FROM sales
SELECT DISTINCT note FROM sales WHERE amount > 30
SELECT shop FROM sales UNION SELECT shop FROM shops
SELECT shop FROM sales UNION ALL SELECT shop FROM shops
SELECT shop FROM shops EXCEPT SELECT shop FROM sales
SELECT shop FROM sales INTERSECT SELECT shop FROM shops
SELECT count(*) FROM (SELECT id FROM sales WHERE flag UNION ALL SELECT id FROM sales WHERE NOT flag)
-- top-n and order
SELECT id, amount FROM sales ORDER BY amount DESC, id LIMIT 10
SELECT id, amount FROM sales ORDER BY amount, id LIMIT 5 OFFSET 7
SELECT id, note FROM sales ORDER BY note NULLS FIRST, id LIMIT 12
SELECT id, note FROM sales ORDER BY note DESC NULLS LAST, id LIMIT 12
SELECT * FROM sales ORDER BY id
SELECT shop, sum(amount) AS taken FROM sales GROUP BY shop ORDER BY taken DESC, shop LIMIT 3
SELECT shop, count(*) AS n FROM sales GROUP BY shop ORDER BY n, shop
SELECT id FROM sales ORDER BY weight NULLS FIRST, id LIMIT 20
SELECT DISTINCT shop FROM sales ORDER BY shop DESC LIMIT 4
SELECT id FROM sales ORDER BY day, shop DESC, id LIMIT 50
SELECT id + 1 AS next FROM sales ORDER BY next DESC LIMIT 3
SELECT count(*) FROM (SELECT id FROM sales LIMIT 17)
-- joins with a small side
SELECT s.id, h.name FROM sales s JOIN shops h ON s.shop = h.shop
SELECT s.id, h.name FROM sales s LEFT JOIN shops h ON s.shop = h.shop WHERE s.id < 300
SELECT s.id, h.name FROM sales s JOIN shops h USING (shop) WHERE h.city = 'Lima'
SELECT h.name, sum(s.amount) FROM sales s JOIN shops h ON s.shop = h.shop GROUP BY h.name
SELECT h.city, count(*) AS n FROM sales s JOIN shops h USING (shop) GROUP BY h.city ORDER BY n DESC, h.city
SELECT h.name, count(s.id) FROM shops h LEFT JOIN sales s ON s.shop = h.shop GROUP BY h.name
SELECT id FROM sales WHERE shop IN (SELECT shop FROM shops WHERE city = 'Lima')
SELECT id FROM sales WHERE shop NOT IN (SELECT shop FROM shops WHERE city = 'Lima')
SELECT id FROM sales s WHERE EXISTS (SELECT 1 FROM shops h WHERE h.shop = s.shop AND h.city IS NULL)
SELECT id FROM sales s WHERE NOT EXISTS (SELECT 1 FROM shops h WHERE h.shop = s.shop)
SELECT name FROM shops h WHERE EXISTS (SELECT 1 FROM sales s WHERE s.shop = h.shop AND s.amount > 99)
SELECT s.id FROM sales s, shops h WHERE s.shop = h.shop AND h.name LIKE 'B%'
SELECT h.name, t.taken FROM shops h JOIN (SELECT shop, sum(amount) AS taken FROM sales GROUP BY shop) t USING (shop)
SELECT s.id, h.name FROM sales s CROSS JOIN shops h WHERE s.id < 5
SELECT s.id, h.name FROM sales s JOIN shops h ON s.amount > h.shop * 30 WHERE s.id < 50
SELECT a.id, b.id AS other FROM sales a JOIN sales b ON a.day = b.day AND a.shop = b.shop AND a.id < b.id
SELECT id FROM sales WHERE amount > (SELECT avg(amount) FROM sales)
SELECT id FROM sales s WHERE amount = (SELECT max(amount) FROM sales t WHERE t.shop = s.shop)
-- windows, CTEs and subqueries
SELECT shop, n, rank() OVER (ORDER BY n DESC) AS place FROM (SELECT shop, count(*) AS n FROM sales GROUP BY shop)
SELECT id, row_number() OVER (PARTITION BY shop ORDER BY id) AS place FROM sales
SELECT id, shop, sum(amount) OVER (PARTITION BY shop ORDER BY id) AS running FROM sales
SELECT id FROM sales QUALIFY row_number() OVER (PARTITION BY shop ORDER BY amount DESC, id) <= 2
SELECT * FROM (SELECT id, shop, row_number() OVER (PARTITION BY shop ORDER BY day, id) AS place FROM sales) WHERE place = 1
SELECT id, lag(id) OVER (PARTITION BY shop ORDER BY id) AS before FROM sales
SELECT id, ntile(4) OVER (ORDER BY amount, id) AS quarter FROM sales
WITH t AS (SELECT shop, sum(amount) AS taken FROM sales GROUP BY shop) SELECT * FROM t WHERE taken > (SELECT avg(taken) FROM t)
WITH t AS (SELECT day, count(*) AS n FROM sales GROUP BY day), u AS (SELECT *, row_number() OVER (PARTITION BY month(day) ORDER BY n DESC, day) AS place FROM t) SELECT day, n FROM u WHERE place = 1
WITH big AS (SELECT * FROM sales WHERE amount > 60) SELECT a.shop, count(*) FROM big a GROUP BY a.shop UNION ALL SELECT -1, count(*) FROM big
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT i, count(s.id) FROM n LEFT JOIN sales s ON s.shop = i GROUP BY i
SELECT avg(n) FROM (SELECT shop, day, count(*) AS n FROM sales GROUP BY shop, day)
SELECT shop, flag, count(*) FROM sales GROUP BY ROLLUP (shop, flag)
SELECT shop, flag, sum(amount) FROM sales GROUP BY GROUPING SETS ((shop), (flag), ())
PIVOT (SELECT shop, flag, amount FROM sales WHERE flag IS NOT NULL) ON flag IN (true, false) USING sum(amount) GROUP BY shop
SELECT unnest([1, 2, 3]) AS x, id FROM sales WHERE id < 4
SELECT id, {'a': shop, 'b': note} AS both, [amount, 1] AS pair FROM sales WHERE id < 30
SELECT x FROM range(5) t(x)
SELECT * FROM (VALUES (1, 'a'), (2, 'b')) v(n, t)
