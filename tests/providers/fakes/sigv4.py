"""Checks AWS Signature Version 4 of a received request, from the bytes that came, as AWS describes it.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
Nothing is taken from botocore, so that a signer's mistake is not repeated here. Stricter than AWS in one thing: all of
host, content-type and x-amz-* must be signed where they are sent.
"""

import hashlib
import hmac
import re
from datetime import datetime, timedelta, timezone
from urllib.parse import quote, unquote_to_bytes, urlsplit

from upstream import Request

CLOCK_SKEW = timedelta(minutes=5)
STREAMING = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/,\s]+)/(\d{8})/([a-z0-9-]+)/([a-z0-9-]+)/aws4_request, ?"
    r"SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})"
)


class Unsigned(Exception):
    """Why a signature does not hold: AWS's code for it, and a text for whoever debugs the signer."""

    def __init__(self, code: str, text: str):
        super().__init__(text)
        self.code = code


def verify(
    req: Request, *, key_id: str, secret: str, session: str | None, host: str, now: datetime | None = None
) -> tuple[str, str]:
    """The region and the service that the request is signed for.

    # Raises
    Unsigned, for anything that AWS would refuse.
    """
    found = AUTHORIZATION.fullmatch(req.headers.get("Authorization") or "")
    if not found:
        raise Unsigned("MissingAuthenticationTokenException", "no or malformed Authorization")
    claimed_id, day, region, service, signed_names, signature = found.groups()
    if claimed_id != key_id:
        raise Unsigned("UnrecognizedClientException", "The security token included in the request is invalid.")
    if req.headers.get("X-Amz-Security-Token") != session:
        raise Unsigned("UnrecognizedClientException", "x-amz-security-token is not what belongs to this key")
    if req.headers.get("Host") != host:
        raise Unsigned("InvalidSignatureException", f"Host is {req.headers.get('Host')}, not {host}")
    time = _time(req.headers.get("X-Amz-Date"), now or datetime.now(timezone.utc))
    if not time.startswith(day):
        raise Unsigned("InvalidSignatureException", "the credential's date is not that of x-amz-date")

    names = signed_names.split(";")
    if names != sorted(set(names)):
        raise Unsigned("InvalidSignatureException", "the signed headers are not sorted")
    for name in {name.lower() for name in req.headers} | {"host"}:
        if (name in ("host", "content-type") or name.startswith("x-amz-")) and name not in names:
            raise Unsigned("InvalidSignatureException", f"the header {name} is not signed")

    canonical = "\n".join(
        [
            req.method,
            _path(req.sent_path, service),
            _query(urlsplit(req.sent_path).query),
            *(f"{name}:{_values(req, name)}" for name in names),
            "",
            signed_names,
            _payload(req, service),
        ]
    )
    scope = f"{day}/{region}/{service}/aws4_request"
    to_sign = f"AWS4-HMAC-SHA256\n{time}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = b"AWS4" + secret.encode()
    for part in (day, region, service, "aws4_request", to_sign):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    if not hmac.compare_digest(key.hex(), signature):
        raise Unsigned("InvalidSignatureException", f"The signature does not match. Canonical request:\n{canonical}")
    return region, service


def _time(text: str | None, now: datetime) -> str:
    try:
        time = datetime.strptime(text or "", "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
    except ValueError:
        raise Unsigned("InvalidSignatureException", "no or malformed x-amz-date") from None
    if abs(now - time) > CLOCK_SKEW:
        raise Unsigned("RequestTimeTooSkewed", f"x-amz-date is {text}")
    return text or ""


def _path(sent_path: str, service: str) -> str:
    """S3: the path as it is. All others: what was sent, encoded once more, so that %2F becomes %252F."""
    path = urlsplit(sent_path).path or "/"
    if service == "s3":
        return quote(unquote_to_bytes(path), safe="/~")
    if "//" in path or "/." in path:
        raise Unsigned("InvalidSignatureException", "the path is not normalized")
    return quote(path, safe="/~")


def _query(query: str) -> str:
    pairs = [pair.partition("=")[::2] for pair in query.split("&") if pair]
    encoded = [[quote(unquote_to_bytes(part), safe="~") for part in pair] for pair in pairs]
    return "&".join(f"{name}={value}" for name, value in sorted(encoded))


def _values(req: Request, name: str) -> str:
    return ",".join(" ".join(value.split()) for value in req.headers.get_all(name) or [])


def _payload(req: Request, service: str) -> str:
    """The hash that was signed, after it was compared with the body."""
    claimed = req.headers.get("X-Amz-Content-Sha256")
    actual = hashlib.sha256(req.raw_body).hexdigest()
    if claimed is None:
        if service == "s3":
            raise Unsigned("InvalidRequest", "Missing required header for this request: x-amz-content-sha256")
        return actual
    if claimed not in (actual, "UNSIGNED-PAYLOAD", STREAMING):
        raise Unsigned("XAmzContentSHA256Mismatch", "x-amz-content-sha256 is not the hash of the body")
    return claimed
