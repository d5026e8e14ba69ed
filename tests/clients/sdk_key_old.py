"""luna-quantum 0.10.1, unmodified: the old package with an API key."""

import os

from checks import equal, refused, step
from server import Server
from transcript import check_no_secret

server = Server.from_arguments()
os.environ["LUNA_BASE_URL"] = server.base_url  # the SDK reads it when it is imported

import httpx  # noqa: E402
from luna_sdk import LunaQ, LunaSolve  # noqa: E402
from luna_sdk.exceptions.luna_server_exception import LunaServerException  # noqa: E402
from luna_sdk.schemas.enums.qpu_token_type import QpuTokenTypeEnum  # noqa: E402

import qpu_tokens  # noqa: E402
import quotas  # noqa: E402


def dialect(luna: LunaSolve | LunaQ) -> qpu_tokens.Dialect:
    return qpu_tokens.Dialect(
        luna=luna,
        personal=QpuTokenTypeEnum.PERSONAL,
        shared=QpuTokenTypeEnum.GROUP,
        error=LunaServerException,
    )


def wrong_key() -> None:
    """This generation shows a 401 as httpx's own error, because its body is not the SDK's error object."""
    luna = LunaSolve(api_key=server.api_key[:-1] + ("a" if server.api_key[-1] != "a" else "b"))
    error = refused("a wrong key", httpx.HTTPStatusError, luna.qpu_token.get_all)
    equal(error.response.status_code, 401, "the status of a wrong key")


step("wrong key")
wrong_key()
sdk = dialect(LunaSolve(api_key=server.api_key))
qpu_tokens.tour(sdk)
qpu_tokens.pages(sdk)
quotas.tour(sdk, server.email, naive_dates=True)
step("LunaQ is the same client")
dialect(LunaQ(api_key=server.api_key)).names(QpuTokenTypeEnum.GROUP)
check_no_secret()
