"""One way to say what must hold, and one way to say what must be refused."""

import sys
from collections.abc import Callable
from typing import Any


def check(condition: Any, what: str) -> None:
    """Stops the suite unless `condition` holds; `what` reads as the promise that was broken."""
    if not condition:
        raise AssertionError(what)


def equal(found: Any, expected: Any, what: str) -> None:
    """`check` that shows both sides."""
    check(found == expected, f"{what}: expected {expected!r}, found {found!r}")


def refused(what: str, kind: type[BaseException], call: Callable[[], Any]) -> Any:
    """Runs `call`, which must raise exactly `kind` or a subclass, and hands the exception back."""
    try:
        answer = call()
    except kind as error:
        return error
    except Exception as error:
        raise AssertionError(f"{what}: expected {kind.__name__}, got {error!r}") from error
    raise AssertionError(f"{what}: expected {kind.__name__}, but it was accepted with {answer!r}")


def step(text: str) -> None:
    """A line in the suite's log, so that a failure shows how far it came."""
    print(f"- {text}", file=sys.stderr, flush=True)
