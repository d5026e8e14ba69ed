"""A caller of the native API `/v1`: plain HTTP with one credential."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from checks import check, equal
from server import Server, fresh_email

PASSWORD = "correct horse battery staple 42"


class Caller:
    """Sends requests with a session's access token, an API key, or nothing."""

    def __init__(self, server: Server, bearer: str | None = None, api_key: str | None = None):
        headers = {}
        if bearer:
            headers["Authorization"] = f"Bearer {bearer}"
        if api_key:
            headers["Luna-API-Key"] = api_key
        self.bearer = bearer
        self.http = httpx.Client(base_url=f"{server.base_url}/v1", headers=headers, timeout=30)

    def call(self, status: int, method: str, path: str, body: Any = None, **query: str) -> Any:
        """The JSON body of an answer that must have `status`, or None where it has none."""
        answer = self.http.request(method, path, json=body, params=query or None)
        equal(answer.status_code, status, f"{method} {path} {answer.text}")
        return answer.json() if answer.content else None

    def all(self, path: str, **query: str) -> Iterator[dict[str, Any]]:
        """Every item of a list, page after page."""
        cursor: dict[str, str] = {}
        while True:
            page = self.call(200, "GET", path, **query, **cursor)
            yield from page["items"]
            if not page["next_cursor"]:
                return
            cursor = {"cursor": page["next_cursor"]}


def admin(server: Server) -> Caller:
    """The first admin, logged in."""
    return login(server, server.email, server.password)


def login(server: Server, email: str, password: str) -> Caller:
    """A caller with a new session."""
    session = Caller(server).call(200, "POST", "/sessions", {"email": email, "password": password})
    equal(session["token_type"].lower(), "bearer", "the token type of a session")
    check(session["expires_in"] > 0 and session["refresh_token"], "a session can be refreshed")
    return Caller(server, bearer=session["access_token"])


def add_user(by: Caller, organization: str, name: str) -> dict[str, Any]:
    """Invites a new person; the answer is the user with the invitation."""
    body = {"email": fresh_email(name), "given_name": name.title(), "family_name": "Käfer"}
    return by.call(201, "POST", f"/organizations/{organization}/users", body)


def accept(server: Server, invitation: dict[str, Any]) -> None:
    """Sets the password of an invited person, with the token or the one inside the link."""
    token = invitation.get("token") or link_token(invitation["link"])
    answer = Caller(server).http.post("/invitations/accept", json={"token": token, "password": PASSWORD})
    check(answer.is_success, f"accepting an invitation: {answer.status_code} {answer.text}")


def link_token(link: str) -> str:
    """The one-time token in an invitation's link: its query's or its fragment's `token`."""
    parts = urlsplit(link)
    found = parse_qs(parts.query).get("token") or parse_qs(parts.fragment).get("token")
    check(found, f"the link of an invitation has no token: {parts.scheme}://{parts.netloc}{parts.path}")
    return found[0]
