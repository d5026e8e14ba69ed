"""luna-quantum 1.3.1, unmodified: the new package, whose models refuse every member they do not know."""

import os
from datetime import datetime, timedelta, timezone

from checks import check, equal, refused, step
from server import Server, fresh
from transcript import check_no_secret, last_body

server = Server.from_arguments()
os.environ["LUNA_BASE_URL"] = server.base_url
os.environ["LUNA_LOG_DISABLE_SPINNER"] = "true"

from luna_quantum import LunaQ, LunaSolve  # noqa: E402
from luna_quantum.client.error.luna_api_key_invalid_error import LunaApiKeyInvalidError  # noqa: E402
from luna_quantum.client.error.luna_server_error import LunaServerError  # noqa: E402
from luna_quantum.client.schemas.enums.qpu_token_type import QpuTokenTypeEnum  # noqa: E402

import qpu_tokens  # noqa: E402
import quotas  # noqa: E402


def wrong_keys() -> None:
    damaged = server.api_key[:-1] + ("a" if server.api_key[-1] != "a" else "b")
    for key in (damaged, "not-a-key", "luna_x_y_z", server.api_key.upper()):
        refused("a wrong key", LunaApiKeyInvalidError, lambda: LunaSolve.authenticate(key))
        refused("a wrong key", LunaApiKeyInvalidError, lambda: LunaSolve(api_key=key))


def ways_in() -> LunaSolve:
    """A key as argument, from the environment, for the class; and the base path without its service."""
    LunaSolve(api_key=server.api_key)
    os.environ["LUNA_API_KEY"] = server.api_key
    luna_q = LunaQ()
    luna_q.qpu_token.get_all()
    os.environ["LUNA_DISABLE_SUFFIX"] = "true"
    without_service = LunaSolve()
    without_service.qpu_token.get_all()
    del os.environ["LUNA_DISABLE_SUFFIX"], os.environ["LUNA_API_KEY"]
    LunaSolve.authenticate(server.api_key)
    me = last_body()
    equal(me["email"], server.email, "the caller's e-mail in /users/me")
    check(len(me["orgs"]) >= 1, "the caller's organizations in /users/me")
    return LunaSolve()


def backward_window(sdk: qpu_tokens.Dialect) -> None:
    """The SDK checks the window only when both ends are in one call; the server must check the rest."""
    name = fresh("backward window")
    sdk.create(name, "dwave", sdk.shared)
    sdk.tokens.create_group_time_quota(name, quota=1)
    yesterday = datetime.now(timezone.utc) - timedelta(days=1)
    sdk.explained(
        "an end before the start", 422, lambda: sdk.tokens.update_group_time_quota(name, end=yesterday)
    )
    sdk.tokens.delete(name, sdk.shared)


step("wrong keys")
wrong_keys()
step("ways in")
sdk = qpu_tokens.Dialect(
    luna=ways_in(),
    personal=QpuTokenTypeEnum.PERSONAL,
    shared=QpuTokenTypeEnum.GROUP,
    error=LunaServerError,
)
qpu_tokens.tour(sdk)
qpu_tokens.pages(sdk)
quotas.tour(sdk, server.email, naive_dates=False)
step("backward window")
backward_window(sdk)
check_no_secret()
