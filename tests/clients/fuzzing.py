"""What schemathesis loads besides the document: who it is, and which ids exist.

The fuzzing must not saw off the branch it sits on. It may well end its own session, leave its organization
or delete it: so nothing it touches is precious. Each credential belongs to an account made for it alone, the
admin of an organization made for it alone, below the first admin's. The first admin is out of its reach,
because authority flows down only. When an answer is 401, schemathesis asks for the next account and repeats
the request. Operations on the caller's own account (`/v1/sessions`, `/v1/me`) have accounts of their own, so
that a logout does not cut short what the others are about. The accounts are made before the first request:
the garbage sent to the login may well make it, rightly, refuse this address for a while (429).
"""

import atexit
import json
import os
import re
import time
import zlib
from collections import Counter, deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import schemathesis
from schemathesis.core.parameters import ParameterLocation

from checks import equal
from native import PASSWORD, Caller, accept, add_user
from server import Server, fresh

ACCOUNTS = 16
server = Server.from_file(os.environ["LUNA_FIRST_ADMIN"])
answers: dict[str, Counter[int]] = {}


@dataclass(frozen=True)
class Account:
    """An admin, the organization it administers, a colleague there, and a QPU token of each kind."""

    bearer: str
    organization: str
    colleague: str
    token: str
    personal_token: str


def make_account() -> Account:
    first = Caller(server, api_key=server.api_key)
    body = {"name": fresh("fuzzed"), "parent_id": server.organization_id}
    organization = first.call(201, "POST", "/organizations", body)["id"]
    user, colleague = (add_user(first, organization, name) for name in ("fuzzer", "colleague"))
    accept(server, user["invitation"])
    path = f"/organizations/{organization}/users/{user['id']}/roles/admin"
    equal(first.http.put(path).is_success, True, "making the fuzzing account an admin")
    body = {"name": fresh("fuzzed"), "provider": "dwave", "credential": {"token": "fuzzed"}}
    token = first.call(201, "POST", f"/organizations/{organization}/qpu-tokens", body)["id"]
    bearer = patient_login(user["email"])
    personal = Caller(server, bearer=bearer).call(201, "POST", "/me/qpu-tokens", body)["id"]
    return Account(bearer, organization, colleague["id"], token, personal)


def patient_login(email: str) -> str:
    """Logs in, and waits as the server asks while it throttles this address."""
    credentials = {"email": email, "password": PASSWORD}
    for _ in range(5):
        answer = Caller(server).http.post("/sessions", json=credentials)
        if answer.status_code != 429:
            break
        time.sleep(min(int(answer.headers["retry-after"]), 30))
    equal(answer.status_code, 200, f"logging a fuzzing account in: {answer.text}")
    return answer.json()["access_token"]


pool = deque(make_account() for _ in range(ACCOUNTS))


def purpose(case: Any, _context: Any) -> str:
    """Which account a request uses."""
    return "own" if re.match(r"/v1/(sessions|me)\b", case.operation.path) else "organization"


@schemathesis.auth(refresh_interval=3600, cache_by_key=purpose, retry_on=[401])
class Login:
    """Gives each request a living account, and most of the well-formed ones something that exists."""

    def get(self, _case: Any, _context: Any) -> Account:
        return pool.popleft() if pool else make_account()

    def set(self, case: Any, account: Account, context: Any) -> None:
        case.headers["Authorization"] = f"Bearer {account.bearer}"
        if well_formed(case, ParameterLocation.PATH):
            fill_path(case, account, own=purpose(case, context) == "own")
        if well_formed(case, ParameterLocation.BODY) and isinstance(case.body, dict):
            fill_body(case.body, account)


def well_formed(case: Any, part: ParameterLocation) -> bool:
    """Whether that part of the request is there, and was not made wrong on purpose."""
    component = case.meta.components.get(part) if case.meta else None
    return component is not None and component.mode.is_positive


def sometimes(generated: Any) -> bool:
    """For three of four generated values, always the same ones."""
    return zlib.crc32(repr(generated).encode("utf-8", "backslashreplace")) % 4 != 0


def fill_path(case: Any, account: Account, own: bool) -> None:
    """Random ids alone would only ever find nothing."""
    known = {
        "organizations": account.organization,
        "users": account.colleague,
        "qpu-tokens": account.personal_token if own else account.token,
    }
    for collection, parameter in re.findall(r"/([a-z-]+)/\{(\w+)\}", case.operation.path):
        if collection in known and sometimes(case.path_parameters[parameter]):
            case.path_parameters[parameter] = known[collection]


def fill_body(body: dict[str, Any], account: Account) -> None:
    """A parent that exists; a provider with the fields that it asks for, which no schema can say."""
    if sometimes(body.get("parent_id")) and isinstance(body.get("parent_id"), str):
        body["parent_id"] = account.organization
    if "credential" in body and sometimes(body["credential"]):
        body["credential"] = {"token": "fuzzed"}
        if "provider" in body:
            body["provider"] = "dwave"


@schemathesis.hook
def after_call(_context: Any, case: Any, response: Any) -> None:
    answers.setdefault(case.operation.label, Counter())[response.status_code] += 1


@atexit.register
def report() -> None:
    """Leaves what was answered to whom, for `bad_input.py` to see that the run was worth something."""
    Path(os.environ["LUNA_FUZZING_REPORT"]).write_text(json.dumps(answers), encoding="utf-8")
