"""How each shape of a query is spread over tasks: one rule a file.

A rule looks at an operator and either returns the flow of its rows or None, when the shape isn't its own. The first
rule that answers decides, so the order of ``RULES`` is part of the meaning: shapes with a better way come first. An
operator that no rule answers for makes its whole query gather.
"""

from __future__ import annotations

from tolva.planner.planning import Rule
from tolva.planner.rules.aggregate import partial_aggregate
from tolva.planner.rules.aggregate_before_join import aggregate_before_join
from tolva.planner.rules.distinct import distinct
from tolva.planner.rules.distinct_aggregate import distinct_aggregate
from tolva.planner.rules.filter import filter_rows
from tolva.planner.rules.grouping_sets import grouping_sets
from tolva.planner.rules.join import join
from tolva.planner.rules.project import project
from tolva.planner.rules.scan import scan
from tolva.planner.rules.set_operation import set_operation
from tolva.planner.rules.shared import cte, shared
from tolva.planner.rules.sort import sort
from tolva.planner.rules.top_n import limit, top_n
from tolva.planner.rules.top_window import top_window
from tolva.planner.rules.union import union_all
from tolva.planner.rules.unnest import unnest
from tolva.planner.rules.values import values
from tolva.planner.rules.whole_aggregate import whole_aggregate
from tolva.planner.rules.window import window

RULES: tuple[Rule, ...] = (
    scan,
    top_window,
    filter_rows,
    project,
    aggregate_before_join,
    partial_aggregate,
    distinct_aggregate,
    whole_aggregate,
    grouping_sets,
    distinct,
    join,
    window,
    top_n,
    limit,
    sort,
    union_all,
    set_operation,
    unnest,
    values,
    cte,
    shared,
)
