"""The tour of QPU tokens that all three generations of the Luna SDK make.

Their interfaces differ in a few names only; `Dialect` holds those, and the rest is written once.
"""

import logging
from dataclasses import dataclass, field
from typing import Any

from checks import check, equal, refused, step
from server import fresh
from transcript import new_secret

logging.disable()  # the SDKs log every error that they raise, and half of this tour is errors


@dataclass(frozen=True)
class Dialect:
    """One SDK generation, logged in."""

    luna: Any
    """The client. Kept, because the SDKs close their connection when nobody holds it any more."""
    personal: Any
    """The kind for tokens of the caller."""
    shared: Any
    """The kind for tokens of the organization."""
    error: type[Exception]
    """What the SDK raises for an error that the server explained."""
    creation: dict[str, str] = field(default_factory=dict)
    """What `create` needs beyond name, provider, token and kind."""

    @property
    def tokens(self) -> Any:
        """The part of the client that this tour is about."""
        return self.luna.qpu_token

    def create(self, name: str, provider: str, kind: Any) -> Any:
        """Stores a new secret under `name`."""
        return self.tokens.create(
            name=name, provider=provider, token=new_secret(), token_type=kind, **self.creation
        )

    def names(self, kind: Any, **query: Any) -> list[str]:
        """The names of one kind, in the listed order."""
        return [token.name for token in self.tokens.get_all(token_type=kind, **query)[kind]]

    def explained(self, what: str, status: int, call: Any) -> None:
        """`call` must fail with the SDK's own error, that status, and words that help a person."""
        error = refused(what, self.error, call)
        equal(error.http_status_code, status, what)
        check(error.error_message.internal_code.strip(), f"{what}: the error has no code")
        message = error.error_message.message
        check(len(message.split()) >= 3, f"{what}: {message!r} explains nothing")


def tour(sdk: Dialect) -> None:
    """Create, get, list, filter, rename and delete, for both kinds, with all their refusals."""
    for kind in (sdk.personal, sdk.shared):
        step(f"{kind.value} tokens")
        _life(sdk, kind)
        _refusals(sdk, kind)
    step("one name for both kinds")
    _kinds_are_apart(sdk)


def _life(sdk: Dialect, kind: Any) -> None:
    for name, renamed in [
        (fresh("plain"), fresh("plain renamed")),
        (fresh("Zürich, 量子 & Ω"), fresh("ñandú ~ [ok] + (ü)")),
    ]:
        created = sdk.create(name, "dwave", kind)
        equal((created.name, created.provider, created.token_type), (name, "dwave", kind), "the created token")

        found = sdk.tokens.get(name, kind)
        equal((found.name, found.provider, found.token_type), (name, "dwave", kind), "the token by name")

        moved = sdk.tokens.rename(name, renamed, kind)
        equal((moved.name, moved.provider, moved.token_type), (renamed, "dwave", kind), "the renamed token")
        equal(sdk.tokens.get(renamed, kind).name, renamed, "the token under its new name")
        sdk.explained("the old name after a rename", 404, lambda: sdk.tokens.get(name, kind))

        other = fresh("other provider")
        sdk.create(other, "ibm", kind)
        of_ibm = sdk.names(kind, filter_provider="ibm")
        check(other in of_ibm and renamed not in of_ibm, f"filter by provider ibm: {of_ibm}")
        of_dwave = sdk.names(kind, filter_provider="dwave")
        check(renamed in of_dwave and other not in of_dwave, f"filter by provider dwave: {of_dwave}")
        everything = sdk.names(kind)
        check({renamed, other} <= set(everything), f"the list of all: {everything}")
        both = sdk.tokens.get_all()
        listed = {(token.name, token.token_type) for tokens in both.values() for token in tokens}
        check({(renamed, kind), (other, kind)} <= listed, f"the list of both kinds: {listed}")

        for gone in (renamed, other):
            check(sdk.tokens.delete(gone, kind) is None, "delete answers nothing")
            sdk.explained("a deleted token", 404, lambda: sdk.tokens.get(gone, kind))
        check(not {renamed, other} & set(sdk.names(kind)), "a deleted token is still listed")


def _refusals(sdk: Dialect, kind: Any) -> None:
    first, second = fresh("first"), fresh("second")
    sdk.create(first, "dwave", kind)
    sdk.create(second, "dwave", kind)
    sdk.explained("a duplicate name", 409, lambda: sdk.create(first, "ibm", kind))
    sdk.explained("a rename to a taken name", 409, lambda: sdk.tokens.rename(second, first, kind))
    equal(sdk.tokens.get(first, kind).provider, "dwave", "a refused duplicate changed the token")
    unknown = fresh("nobody's")
    sdk.explained("get of an unknown name", 404, lambda: sdk.tokens.get(unknown, kind))
    sdk.explained("rename of an unknown name", 404, lambda: sdk.tokens.rename(unknown, fresh("x"), kind))
    sdk.explained("delete of an unknown name", 404, lambda: sdk.tokens.delete(unknown, kind))
    sdk.explained("an unknown provider", 422, lambda: sdk.create(fresh("bad"), "no-such-provider", kind))
    sdk.explained("an empty name", 422, lambda: sdk.create("", "dwave", kind))
    for name in (first, second):
        sdk.tokens.delete(name, kind)


def _kinds_are_apart(sdk: Dialect) -> None:
    name = fresh("twin")
    sdk.create(name, "dwave", sdk.personal)
    sdk.create(name, "ibm", sdk.shared)
    sdk.tokens.delete(name, sdk.personal)
    equal(sdk.tokens.get(name, sdk.shared).provider, "ibm", "the organization's token of the same name")
    sdk.explained("the personal twin", 404, lambda: sdk.tokens.get(name, sdk.personal))
    sdk.tokens.delete(name, sdk.shared)


def pages(sdk: Dialect) -> None:
    """`limit` and `offset` cut the list into pages that miss nothing and repeat nothing."""
    for kind in (sdk.personal, sdk.shared):
        step(f"pages of {kind.value} tokens")
        names = {fresh(f"page {number:02}") for number in range(12)}
        for name in names:
            sdk.create(name, "qctrl", kind)
        check(len(sdk.names(kind)) == 10, "without a limit a list has 10 entries")
        found: list[str] = []
        while page := sdk.names(kind, filter_provider="qctrl", limit=5, offset=len(found)):
            check(len(page) <= 5, f"a page of 5 has {len(page)} entries")
            found += page
        check(names <= set(found), "the pages miss a token")
        check(len(found) == len(set(found)), "the pages repeat a token")
        equal(sdk.names(kind, limit=3, offset=1), sdk.names(kind, limit=4)[1:], "limit 3 from offset 1")
        for name in names:
            sdk.tokens.delete(name, kind)
