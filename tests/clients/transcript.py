"""Listens to every answer that httpx receives in this process, and searches it for stored secrets.

All Luna SDKs and the generated clients speak through httpx, so this sees the raw answers, also those
members that a client's models would drop. It hooks the transport because the SDKs raise before a
client's own hooks could read an error's body.
"""

import base64
import json
import secrets
from urllib.parse import quote

import httpx

from checks import check

_answers: list[str] = []
_secrets: list[str] = []
_send = httpx.HTTPTransport.handle_request


def _listen(transport: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
    response = _send(transport, request)
    response.read()
    head = "\n".join(f"{name}: {value}" for name, value in response.headers.items())
    _answers.append(f"{request.method} {request.url} -> {response.status_code}\n{head}\n\n{response.text}")
    return response


httpx.HTTPTransport.handle_request = _listen


def new_secret() -> str:
    """A credential to store; from now on no answer may contain it.

    It ends in characters that URLs write differently, and stays in ASCII, as real tokens do.
    """
    secret = f"DEV-{secrets.token_hex(16)}/+="
    _secrets.append(secret)
    return secret


def last_body() -> object:
    """The JSON body of the latest answer, before any client's model touched it."""
    return json.loads(_answers[-1].split("\n\n", 1)[1])


def renderings(secret: str) -> set[str]:
    """The secret in the encodings an answer could carry it in, and its random part alone."""
    raw = secret.encode()
    unaligned = {base64.b64encode(raw[skip:])[4:-4].decode() for skip in range(3)}
    return {
        secret,
        secret[4:36],
        quote(secret),
        quote(secret, safe=""),
        secret.replace("/", "\\/"),
        raw.hex(),
        *unaligned,
        *{text.replace("+", "-").replace("/", "_") for text in unaligned},
    }


def check_no_secret() -> None:
    """Nothing that the server said may contain a stored credential, in any rendering."""
    check(_secrets and _answers, "the transcript is empty, so this check would prove nothing")
    for secret in _secrets:
        for text in renderings(secret):
            for answer in _answers:
                check(
                    text.lower() not in answer.lower(),
                    f"an answer contains a stored credential: {answer.splitlines()[0]}",
                )
