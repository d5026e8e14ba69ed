"""The part of S3 and STS that stands behind the Braket stand-in: path-style buckets, and who the caller is.

Much more than a broker may let through answers here, and with something worth stealing.
"""

import hashlib
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from upstream import Request, Response

XML = "application/xml"
S3_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
STS_NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"
# Bucket and key of what belongs to others in the same account.
PRIVATE_BUCKET = "amazon-braket-finance"
PRIVATE_OBJECT = "payroll/2026.csv"


def s3_error(status: int, code: str, text: str) -> Response:
    body = f"<Error><Code>{code}</Code><Message>{escape(text)}</Message><RequestId>R</RequestId></Error>"
    return Response(status, body.encode(), ctype=XML)


def sts_error(status: int, code: str, text: str) -> Response:
    error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{escape(text)}</Message></Error>"
    return Response(
        status, f'<ErrorResponse xmlns="{STS_NAMESPACE}">{error}</ErrorResponse>'.encode(), ctype="text/xml"
    )


class Storage:
    """Buckets of one account."""

    def __init__(self, results_bucket: str, region: str):
        self.results_bucket, self.region = results_bucket, region
        self.buckets: dict[str, dict[str, bytes]] = {}
        self.reset()

    def reset(self) -> None:
        self.buckets = {
            self.results_bucket: {"scripts/train.py": b"PRIVATE-OBJECT of the same bucket"},
            PRIVATE_BUCKET: {PRIVATE_OBJECT: b"PRIVATE-OBJECT of another bucket"},
        }

    def handle(self, req: Request, region: str) -> Response:
        path = unquote(urlsplit(req.raw_path).path)
        name, _, key = path.lstrip("/").partition("/")
        if not name:
            rows = "".join(f"<Bucket><Name>{bucket}</Name></Bucket>" for bucket in self.buckets)
            return self._xml(
                "ListAllMyBucketsResult", f"<Owner><ID>PRIVATE-OWNER</ID></Owner><Buckets>{rows}</Buckets>"
            )
        if region != self.region:
            return s3_error(400, "AuthorizationHeaderMalformed", f"the region is wrong; expecting '{self.region}'")
        if req.method == "PUT" and not key and not req.query:
            if name == PRIVATE_BUCKET:
                return s3_error(409, "BucketAlreadyExists", "The requested bucket name is not available.")
            self.buckets.setdefault(name, {})
            return Response(200, b"", {"Location": f"/{name}"}, ctype=None)
        bucket = self.buckets.get(name)
        if bucket is None:
            return s3_error(404, "NoSuchBucket", "The specified bucket does not exist")
        return self._object(req, bucket, key) if key else self._bucket(req, name, bucket)

    def _bucket(self, req: Request, name: str, bucket: dict[str, bytes]) -> Response:
        if req.method == "HEAD":
            return Response(200, b"", {"x-amz-bucket-region": self.region}, ctype=XML)
        if req.method == "GET" and req.q("list-type") == "2":
            prefix = req.q("prefix", "") or ""
            keys = sorted(key for key in bucket if key.startswith(prefix))[: int(req.q("max-keys", "1000") or 1000)]
            rows = "".join(
                f"<Contents><Key>{escape(key)}</Key><Size>{len(bucket[key])}</Size></Contents>" for key in keys
            )
            head = f"<Name>{name}</Name><Prefix>{escape(prefix)}</Prefix><KeyCount>{len(keys)}</KeyCount><IsTruncated>false</IsTruncated>"
            return self._xml("ListBucketResult", head + rows)
        if req.method == "GET" and "location" in req.query:
            return self._xml("LocationConstraint", "")
        if req.method == "GET":  # ?acl, ?policy and the other subresources tell about the account
            return Response(200, b"<Private>PRIVATE-OWNER</Private>", ctype=XML)
        return s3_error(405, "MethodNotAllowed", "not built")

    def _object(self, req: Request, bucket: dict[str, bytes], key: str) -> Response:
        if req.method == "PUT":
            bucket[key] = req.body
            return Response(200, b"", {"ETag": self._etag(req.body)}, ctype=None)
        content = bucket.get(key)
        if content is None:
            return s3_error(404, "NoSuchKey", "The specified key does not exist.")
        if req.method == "DELETE":
            del bucket[key]
            return Response(204, b"", ctype=None)
        headers = {
            "ETag": self._etag(content),
            "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT",
            "Accept-Ranges": "bytes",
        }
        if req.method == "HEAD":
            headers["Content-Length"] = str(len(content))
        return Response(200, content, headers, ctype="binary/octet-stream")

    @staticmethod
    def _etag(content: bytes) -> str:
        return f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'

    @staticmethod
    def _xml(root: str, inner: str) -> Response:
        return Response(
            200, f'<?xml version="1.0"?><{root} xmlns="{S3_NAMESPACE}">{inner}</{root}>'.encode(), ctype=XML
        )


def sts(req: Request, account: str, key_id: str) -> Response:
    """GetCallerIdentity tells the account; the others hand out credentials."""
    action = (parse_qs(req.body.decode()).get("Action") or req.query.get("Action") or ["?"])[0]
    arn = f"arn:aws:iam::{account}:user/PRIVATE-owner"
    answers: dict[str, Any] = {
        "GetCallerIdentity": f"<Arn>{arn}</Arn><UserId>{key_id}</UserId><Account>{account}</Account>",
        "GetAccessKeyInfo": f"<Account>{account}</Account>",
    }
    credentials = (
        "<Credentials><AccessKeyId>ASIAPRIVATE0000000000</AccessKeyId><SecretAccessKey>PRIVATE-SECRET</SecretAccessKey>"
        "<SessionToken>PRIVATE-SESSION</SessionToken><Expiration>2036-01-01T00:00:00Z</Expiration></Credentials>"
    )
    for name in ("AssumeRole", "GetSessionToken", "GetFederationToken"):
        answers[name] = credentials
    if action not in answers:
        return sts_error(400, "InvalidAction", action)
    body = f'<{action}Response xmlns="{STS_NAMESPACE}"><{action}Result>{answers[action]}</{action}Result></{action}Response>'
    return Response(200, body.encode(), ctype="text/xml")
