"""The check that finds where a user's object is touched and nothing catches what it raises."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[3] / "tools"

# Faults that ended a server, a thread or a node once, or would have: file, what stands there, what
# stood there, and where it must be found.
FAULTS = [
    ("models/answers.py", "{text_of(error)}", "{error}", "as_exception"),
    ("pipeline/completion.py", "REJECTED, text_of(error)", "REJECTED, str(error)", "_failed"),
    (
        "models/caller.py",
        "except BaseException as error:\n            ret",
        "except Exception as error:\n            ret",
        "_attempt",
    ),
    ("models/caller.py", "self._attempt(self._warm_up, ())", "self._warm_up()", "warm_up"),
    (
        "models/loading.py",
        'with users_code(f"model {spec!r}: cannot',
        'with open(f"model {spec!r}: cannot',
        "_resolve",
    ),
    (
        "models/interface.py",
        "attempt(one_for_each, outcome, len(given))",
        "one_for_each(outcome, len(given))",
        "_infer_together",
    ),
    (
        "models/interface.py",
        "if type(outcome) is Raised:  # what is",
        "if isinstance(outcome, Raised):  # what is",
        "forget",
    ),
    (
        "models/form.py",
        "except BaseException:  # it is served",
        "except Exception:  # it is served",
        "version",
    ),
    ("metrics/callbacks.py", "shown(callback)", "repr(callback)", "_complain"),
    (
        "scheduler/custom.py",
        "except BaseException as",
        "except (Exception, SystemExit) as",
        "_call",
    ),
    ("scheduler/scoring.py", "exc_info=touchable(error)", "exc_info=error", "_one"),
]


@pytest.fixture(scope="module")
def check() -> object:
    sys.path.insert(0, str(TOOLS))
    try:
        import check_users_code
    finally:
        sys.path.remove(str(TOOLS))
    return check_users_code


def test_nothing_of_a_users_is_touched_without_a_guard_or_a_reason(check) -> None:  # type: ignore[no-untyped-def]
    found = {where for where, _ in check.unguarded(check.sources())}
    assert found == set(check.REASONS)


def test_faults_of_the_past_are_found_when_they_are_put_back(check) -> None:  # type: ignore[no-untyped-def]
    sources = check.sources()
    for file, now, once, _ in FAULTS:
        path = f"inferential_core/{file}"
        assert now in sources[path], f"{path} has changed: seed this fault as it would be now"
        sources[path] = sources[path].replace(now, once)
    found = {where for where, _ in check.unguarded(sources)} - set(check.REASONS)
    for file, _, once, function in FAULTS:
        there = [where for where in found if file in where and where.endswith(function)]
        assert there, f"{once} in {file} was not found"
