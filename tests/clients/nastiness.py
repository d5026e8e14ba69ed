"""Inputs that no schema describes, each with the statuses that are right for it.

Every refusal must be a problem document (RFC 9457) with a code that a program can rely on.
"""

import json
import re
import socket
from http.client import HTTPResponse, RemoteDisconnected
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import uuid4

import httpx

from checks import check, equal, step
from native import Caller, add_user, admin
from server import Server, fresh, fresh_email

JSON = {"Content-Type": "application/json"}
UNREADABLE = {400, 422}
INVALID = {422}

CONTROL = [f"a{character}b" for character in "\0\x01\x07\b\t\n\r\x1b\x7f\x85\u2028"]
BIDI = ["admin\u202etxt.exe", "\u2066hidden\u2069", "\u200f\u061c", "\ufeffmark", "zero\u200bwidth"]
OVERLONG = ["x" * 100_000, "ü" * 5_000, "e" + "\u0301" * 2_000, "👩‍👩‍👧‍👦" * 500]
BLANK = ["", " ", "\u3000\u00a0", " \t "]
WRONG_TYPES: list[Any] = [None, 0, -1, 1.5, 1e300, True, [], ["name"], {}, {"name": "x"}]

MALFORMED = [
    b"",
    b"{",
    b'{"name": "trunc',
    b'{"name": "x",}',
    b'{"name": "x"} trailing',
    b"{'name': 'x'}",
    b'{"name": NaN}',
    b'{"name": "\\ud800"}',  # half of a surrogate pair
    b'{"name": "\xff\xfe"}',  # not UTF-8
    b'{"name": "\xc0\xae"}',  # an overlong encoding
    "{\"name\": \"x\"}".encode("utf-16"),
    b"\xef\xbb\xbf" + b'{"name": ',
    b"[" * 50_000,  # deeper than any parser should follow
    b'{"a":' * 20_000,
    b'{"name": 1' + b"0" * 50_000 + b"}",
    b"null",
    b'"text"',
    b"[]",
    b"42",
]


class Inspector:
    """Sends what nobody should send, and judges the answer."""

    def __init__(self, by: Caller):
        self.http = by.http
        self.count = 0

    def refuses(self, expected: set[int], method: str, path: str, what: str, **content: Any) -> httpx.Response:
        """The answer must have one of the `expected` statuses, all of them 4xx, and explain itself."""
        answer = self.http.request(method, path, **content)
        self.judge(answer, expected, f"{method} {path[:80]} with {what[:80]}")
        return answer

    def judge(self, answer: httpx.Response, expected: set[int], what: str) -> None:
        self.count += 1
        status = answer.status_code
        check(status in expected, f"{what}: expected {sorted(expected)}, got {status} {answer.text[:400]}")
        media_type = answer.headers.get("content-type", "").split(";")[0]
        equal(media_type, "application/problem+json", f"{what}: the content type of a {status}")
        problem = answer.json()
        check(re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", problem.get("code", "")), f"{what}: code {problem}")
        equal(problem.get("status"), status, f"{what}: the status in the problem")
        check(problem.get("title"), f"{what}: the problem has no title")
        check(answer.headers.get("x-request-id"), f"{what}: the answer has no x-request-id")


def tour(server: Server) -> None:
    """All of it, inside an organization of its own."""
    luna = admin(server)
    body = {"name": fresh("nasty"), "parent_id": server.organization_id}
    organization = luna.call(201, "POST", "/organizations", body)["id"]
    inspector = Inspector(luna)
    step("bodies")
    bodies(inspector, organization)
    step("members and types")
    members(inspector, organization)
    step("names")
    names(inspector, organization)
    step("e-mail addresses")
    emails(inspector, luna, organization)
    step("pages")
    pages(inspector, organization)
    step("ids")
    ids(inspector, server, luna, organization)
    step("credentials and headers")
    credentials(inspector, server)
    step("bodies that are announced and never sent")
    unfinished(inspector, server, luna, organization)
    print(f"{inspector.count} nasty inputs refused")
    equal(luna.http.get("/me").status_code, 200, "the session after all of this")


def bodies(inspector: Inspector, organization: str) -> None:
    for path in ("/sessions", "/organizations", f"/organizations/{organization}/users"):
        for content in MALFORMED:
            inspector.refuses(UNREADABLE, "POST", path, repr(content[:40]), content=content, headers=JSON)
        good = json.dumps({"name": "x"}).encode()
        for media_type in ("text/plain", "application/xml", "multipart/form-data", "nonsense", "application/jsonx"):
            headers = {"Content-Type": media_type}
            inspector.refuses({415}, "POST", path, media_type, content=good, headers=headers)
        inspector.refuses({415}, "POST", path, "a form", data={"name": "x"})


def members(inspector: Inspector, organization: str) -> None:
    good: dict[str, dict[str, Any]] = {
        "/organizations": {"name": fresh("x"), "parent_id": organization},
        f"/organizations/{organization}/users": {
            "email": fresh_email("x"),
            "given_name": "X",
            "family_name": "Y",
        },
        f"/organizations/{organization}/qpu-tokens": {
            "name": fresh("x"),
            "provider": "dwave",
            "credential": {"token": "token"},
        },
        "/sessions": {"email": fresh_email("x"), "password": "y"},
        "/invitations/accept": {"token": "x", "password": "a long enough password"},
    }
    for path, body in good.items():
        for extra in ("unknown", "id", "is_admin", "__proto__", "Name", "roles\0"):
            inspector.refuses(INVALID, "POST", path, f"unknown {extra!r}", json=body | {extra: "x"})
        for member in body:
            missing = {key: value for key, value in body.items() if key != member}
            inspector.refuses(INVALID, "POST", path, f"no {member}", json=missing)
            for wrong in WRONG_TYPES:
                what = f"{member} = {wrong!r}"
                inspector.refuses(INVALID, "POST", path, what, json=body | {member: wrong})
    answer = inspector.refuses(INVALID, "POST", "/organizations", "two mistakes", json={"name": 1, "x": 1})
    check("/name" in answer.text and "/x" in answer.text, f"both mistakes have a pointer: {answer.text}")
    tokens = f"/organizations/{organization}/qpu-tokens"
    for credential in (
        {"token": ""},
        {"token": "abc"},
        {"token": "Grüße"},
        {"tokn": "token"},
        {"token": 1},
        {"token": "a\r\nb: c"},
        {"token": "x" * 1_000_000},
    ):
        body = {"name": fresh("x"), "provider": "dwave", "credential": credential}
        inspector.refuses(INVALID | {413}, "POST", tokens, str(credential)[:60], json=body)
    for provider in ("", "DWAVE ", "../dwave", "no such"):
        body = {"name": fresh("x"), "provider": provider, "credential": {"token": "token"}}
        inspector.refuses(INVALID, "POST", tokens, f"provider {provider!r}", json=body)


def names(inspector: Inspector, organization: str) -> None:
    token = {"provider": "dwave", "credential": {"token": "token"}}
    person = {"email": fresh_email("x"), "given_name": "X", "family_name": "Y"}
    for text in CONTROL + BIDI + OVERLONG + BLANK:
        what = repr(text[:20])
        body = {"name": text, "parent_id": organization}
        inspector.refuses(INVALID, "POST", "/organizations", what, json=body)
        inspector.refuses(INVALID, "PATCH", f"/organizations/{organization}", what, json={"name": text})
        path = f"/organizations/{organization}/qpu-tokens"
        inspector.refuses(INVALID, "POST", path, what, json=token | {"name": text})
        path = f"/organizations/{organization}/users"
        inspector.refuses(INVALID, "POST", path, what, json=person | {"given_name": text})


def emails(inspector: Inspector, luna: Caller, organization: str) -> None:
    users = f"/organizations/{organization}/users"
    person = {"given_name": "X", "family_name": "Y"}
    for email in [
        *("", "plain", "@example.org", "a@", "a@@example.org", "a b@example.org", "a@example.org\0"),
        *("a@example.org\r\nBcc: b@example.org", "a@exa\u202emple.org", "a" * 300 + "@example.org"),
        *("a@" + "b." * 200 + "org", "<script>@example.org>", "a@example.org, b@example.org"),
    ]:
        inspector.refuses(INVALID, "POST", users, repr(email[:40]), json=person | {"email": email})
    taken = add_user(luna, organization, "taken")["email"]
    for email in (taken, taken.upper(), taken.title(), taken.swapcase()):
        inspector.refuses({409}, "POST", users, f"the taken {email}", json=person | {"email": email})


def pages(inspector: Inspector, organization: str) -> None:
    lists = [f"/organizations/{organization}/{noun}" for noun in ("users", "qpu-tokens", "audit-events")]
    for path in [*lists, "/organizations", "/me/qpu-tokens"]:
        for limit in ("0", "-1", "201", "1e3", "ten", "", "99999999999999999999", "1.5", "0x10", "\0", "１０"):
            inspector.refuses(UNREADABLE, "GET", path, f"limit {limit!r}", params={"limit": limit})
        for cursor in ("x", "🙂", "\0", "null", "0" * 20_000, "eyJpZCI6IjEifQ", "' or 1=1 --"):
            statuses = UNREADABLE | {414, 431}
            inspector.refuses(statuses, "GET", path, f"cursor {cursor[:20]!r}", params={"cursor": cursor})


def ids(inspector: Inspector, server: Server, luna: Caller, organization: str) -> None:
    unknown = str(uuid4())
    foreign = add_user(luna, server.organization_id, "foreign")["id"]
    base = f"/organizations/{organization}"
    for path in (
        *(f"/organizations/{unknown}", f"/organizations/{unknown}/users", f"{base}/users/{unknown}"),
        *(f"{base}/users/{foreign}", f"{base}/users/{fresh_email('nobody')}", f"{base}/qpu-tokens/{unknown}"),
        *(f"/me/qpu-tokens/{unknown}", "/no-such-route", f"{base}/no-such-noun"),
    ):
        inspector.refuses({404}, "GET", path, "nothing there")
    crooked = ["0", "-1", "null", unknown + "0", unknown[:-1], "{" + unknown + "}", "a" * 3_000]
    crooked += [quote(text, safe="") for text in ("a\0b", "../../etc/passwd", "' or 1=1 --", "\u202e", "%", "🙂")]
    for text in crooked:
        for path in (f"/organizations/{text}", f"{base}/users/{text}", f"{base}/qpu-tokens/{text}"):
            inspector.refuses({400, 404, 414, 422}, "GET", path, "a crooked id")
    body = {"name": "x", "parent_id": unknown}
    inspector.refuses({404, 422}, "POST", "/organizations", "an unknown parent", json=body)
    role = f"{base}/users/{foreign}/roles/admin"
    inspector.refuses({404}, "PUT", role, "a person of another organization")
    person = add_user(luna, organization, "roleless")["id"]
    for role in ("owner", "ADMIN", "admin%00", "a" * 500):
        inspector.refuses({400, 404, 422}, "PUT", f"{base}/users/{person}/roles/{role}", "an unknown role")
    inspector.refuses({405}, "TRACE", "/me", "a method nobody has")


def credentials(inspector: Inspector, server: Server) -> None:
    anonymous = httpx.Client(base_url=f"{server.base_url}/v1", timeout=30)
    for value in ("Bearer", "Bearer x", "Bearer a.b.c", "Basic YTpi", "Bearer " + "x" * 4_000, "nonsense"):
        answer = anonymous.get("/me", headers={"Authorization": value})
        inspector.judge(answer, {401}, f"Authorization {value[:20]!r}")
    for value in ("", "luna", "luna___", server.api_key[:-1], server.api_key + "x", b"\xff\xfe", "x" * 4_000):
        answer = anonymous.get("/me", headers={"Luna-API-Key": value})
        inspector.judge(answer, {401}, f"Luna-API-Key {value[:12]!r}")
    inspector.judge(anonymous.get("/me"), {401}, "no credential")
    token = {"token": "never issued", "password": "a long enough password"}
    inspector.judge(anonymous.post("/invitations/accept", json=token), {401, 404, 410, 422}, "an unknown invitation")


def unfinished(inspector: Inspector, server: Server, luna: Caller, organization: str) -> None:
    """Bodies that announce more than they send. Raw, since no client library would do this."""
    address = urlsplit(server.base_url)

    def send(length: int, hang_up: bool) -> httpx.Response | None:
        head = (
            f"POST /v1/organizations/{organization}/users HTTP/1.1\r\nHost: {address.netloc}\r\n"
            f"Authorization: Bearer {luna.bearer}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {length}\r\n\r\n"
        )
        with socket.create_connection((address.hostname, address.port), timeout=20) as connection:
            connection.sendall(head.encode() + b'{"email": "a@')
            if hang_up:
                connection.shutdown(socket.SHUT_WR)
            answer = HTTPResponse(connection)
            try:
                answer.begin()
            except (RemoteDisconnected, ConnectionResetError):
                return None
            return httpx.Response(answer.status, headers=answer.getheaders(), content=answer.read())

    large = send(20_000_000, hang_up=False)
    check(large is not None, "20 MB are refused with an answer, before they are sent")
    inspector.judge(large, {413}, "20 MB announced")
    cut_off = send(1_000, hang_up=True)
    if cut_off is not None:  # whoever hung up may be told nothing
        inspector.judge(cut_off, {400, 408, 422}, "a body cut off")
