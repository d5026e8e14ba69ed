"""luna-quantum 0.0.29, unmodified: e-mail and password, `/accessToken`, then `/api`."""

import os

from checks import check, equal, refused, step
from server import Server, fresh, fresh_email
from transcript import check_no_secret

server = Server.from_arguments()
os.environ["LUNA_BASE_URL"] = server.base_url  # the SDK reads it when it is imported

import httpx  # noqa: E402
from luna_sdk import LunaQ, LunaSolve  # noqa: E402
from luna_sdk.exceptions.luna_server_exception import LunaServerException  # noqa: E402
from luna_sdk.schemas.enums.qpu_token_type import QpuTokenTypeEnum  # noqa: E402

import qpu_tokens  # noqa: E402


def dialect(luna: LunaSolve) -> qpu_tokens.Dialect:
    return qpu_tokens.Dialect(
        luna=luna,
        personal=QpuTokenTypeEnum.PERSONAL,
        shared=QpuTokenTypeEnum.ORGANIZATION,
        error=LunaServerException,
        creation={"encryption_key": "the client insists on one, the server forgets it"},
    )


def wrong_credentials() -> None:
    words = set()
    for email, password in [(server.email, "not the password"), (fresh_email("nobody"), server.password)]:
        luna = LunaSolve(email=email, password=password)
        error = refused("a wrong login", LunaServerException, luna.qpu_token.get_all)
        equal(error.http_status_code, 401, "the status of a wrong login")
        words.add(error.error_message.message)
    check(len(words) == 1, f"the message tells who has an account: {words}")
    check("password" in words.pop().lower(), "the message of a wrong login speaks of the password")


def filter_by_name(sdk: qpu_tokens.Dialect) -> None:
    """This generation pages nothing; it filters by name instead."""
    for kind in (sdk.personal, sdk.shared):
        wanted, other = fresh("Überraschung wanted"), fresh("other")
        sdk.create(wanted, "dwave", kind)
        sdk.create(other, "dwave", kind)
        equal(sdk.names(kind, name=wanted), [wanted], "the list filtered by name")
        sdk.tokens.delete(wanted, kind)
        sdk.tokens.delete(other, kind)


def login_again(luna: LunaSolve) -> None:
    """When its session has ended, the client logs in again and its user notices nothing."""
    session = {"Authorization": f"Bearer {luna._client._bearer_token}"}
    ended = httpx.delete(f"{server.base_url}/v1/sessions/current", headers=session)
    equal(ended.status_code, 204, "logging the SDK's session out")
    refused_now = httpx.get(f"{server.base_url}/v1/me", headers=session)
    equal(refused_now.status_code, 401, "an access token after logging out")
    luna.qpu_token.get_all()


step("wrong credentials")
wrong_credentials()
luna = LunaSolve(email=server.email, password=server.password)
qpu_tokens.tour(dialect(luna))
step("filter by name")
filter_by_name(dialect(luna))
step("log in again")
login_again(luna)
step("LunaQ is the same client")
luna_q = LunaQ(email=server.email, password=server.password)
luna_q.qpu_token.get_all()
check_no_secret()
