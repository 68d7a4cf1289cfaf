from __future__ import annotations

import json
import math

import pytest
from export_kit import Script, busy, found

from tolva.errors import UsageError
from tolva.export.fetcher import Fetcher
from tolva.sources import Failure


class Pauses(list[float]):
    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def fetch(script: Script, keys: str, max_attempts: int = 3) -> tuple[list[str], list[dict[str, object]], Pauses]:
    pauses = Pauses()
    came = Fetcher(script, max_attempts, pauses).fetch(list(keys))
    return [json.loads(line)["key"] for line in came.records], [json.loads(line) for line in came.errors], pauses


def test_records_come_in_the_order_of_the_keys() -> None:
    script = Script({"a": [found("a")], "b": [found("b")]})
    assert fetch(script, "ba") == (["b", "a"], [], [])
    assert script.asked == [["b", "a"]]


def test_only_what_may_go_well_is_tried_again() -> None:
    gone = Failure("c", "not_found", "no such key")
    script = Script({"a": [found("a")], "b": [busy("b"), busy("b"), found("b")], "c": [gone]})
    records, errors, pauses = fetch(script, "abc")
    assert records == ["a", "b"]
    assert errors == [{"key": "c", "code": "not_found", "message": "no such key", "attempts": 1}]
    assert script.asked == [["a", "b", "c"], ["b"], ["b"]]
    assert len(pauses) == 2


def test_tries_end() -> None:
    script = Script({"a": [busy("a")]})
    records, errors, pauses = fetch(script, "a", max_attempts=3)
    assert records == []
    assert errors == [{"key": "a", "code": "busy", "message": "try later", "attempts": 3}]
    assert len(script.asked) == 3
    assert len(pauses) == 2


def test_pauses_are_at_least_what_was_asked_for_and_have_a_limit() -> None:
    _, _, pauses = fetch(Script({"a": [busy("a", 7), busy("a", 10**6), found("a")]}), "a")
    assert 7 <= pauses[0] < 8
    assert 300 <= pauses[1] < 331


def test_an_exception_costs_no_answer_that_came_before_it() -> None:
    script = Script({"a": [found("a")], "b": [OSError("broken"), found("b")], "c": [found("c")]})
    assert fetch(script, "abc")[0] == ["a", "b", "c"]
    assert script.asked == [["a", "b", "c"], ["b", "c"]]


def test_an_exception_that_stays_is_named() -> None:
    _, errors, _ = fetch(Script({"a": [OSError("broken")]}), "a")
    assert errors == [{"key": "a", "code": "source", "message": "the source failed: OSError: broken", "attempts": 3}]


def test_a_key_without_an_answer_has_failed() -> None:
    records, errors, _ = fetch(Script({"a": [found("a")], "b": [None]}), "ab")
    assert records == ["a"]
    assert [(error["key"], error["code"]) for error in errors] == [("b", "source")]


def test_a_source_that_can_t_work_at_all_ends_the_job() -> None:
    with pytest.raises(UsageError, match="no secret"):
        fetch(Script({"a": [UsageError("no secret")]}), "a")


def test_a_key_that_is_given_twice_is_asked_once_and_written_twice() -> None:
    script = Script({"a": [found("a")], "b": [Failure("b", "gone", "gone")]})
    records, errors, _ = fetch(script, "abab")
    assert (records, len(errors)) == (["a", "a"], 2)
    assert script.asked == [["a", "b"]]


@pytest.mark.parametrize("bad", [{"x": math.nan}, b"two\nlines", "", {"x": object()}])
def test_of_a_key_with_a_record_that_is_none_nothing_is_written(bad: object) -> None:
    records, errors, _ = fetch(Script({"a": [found("a", {"key": "a"}, bad)]}), "a")
    assert records == []
    assert [(error["key"], error["code"], error["attempts"]) for error in errors] == [("a", "record", 1)]
