"""What all stand-ins for providers share: a server, a log of what it was sent, a list of what must never be sent.

Outside the provider's own paths each answers

    GET  /__fake__/health   {"ready": true}
    GET  /__fake__/log      every request: {t, method, path, headers, body_len, body, status, violations}
    GET  /__fake__/usage    the truth that a ledger is compared with: {"unit": …, "jobs": {id: {"amount": …, …}}}
    POST /__fake__/forbid   adds the text in the body to what --forbid names
    POST /__fake__/reset    forgets the log and all jobs but the foreign one

With `--mount PREFIX=TARGET` it serves what is below TARGET ("" is its root) below PREFIX, and nothing elsewhere: so a
client that has to work through a path prefix can be tried without anything between.

`amount` is what the provider would bill for the job, in `unit`; `foreign` marks the job that somebody else has under
the same credential. Only the standard library is used, so that any Python 3.11 runs it.
"""

import argparse
import base64
import contextlib
import gzip
import json
import sys
import threading
import time
import traceback
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

# Headers that belong to the caller's side of a broker and have no business at a provider.
UNWANTED = ("luna-", "x-forwarded-", "forwarded", "x-real-ip", "cookie", "via")


class Request:
    """A request; `body` is decoded, `raw_path` is not. `sent_path` still has the prefix of a mount."""

    def __init__(self, method: str, sent_path: str, raw_path: str, headers: Any, body: bytes, raw_body: bytes):
        self.method = method
        self.sent_path = sent_path
        self.raw_path = raw_path
        parts = urlsplit(raw_path)
        self.path = unquote(parts.path)
        self.query = parse_qs(parts.query, keep_blank_values=True)
        self.headers = headers
        self.body = body
        self.raw_body = raw_body

    def q(self, name: str, default: str | None = None) -> str | None:
        """The first value of a query parameter."""
        values = self.query.get(name)
        return values[0] if values else default

    def json(self) -> Any:
        return json.loads(self.body or b"null")


class Response:
    """A body that is not bytes becomes JSON."""

    def __init__(
        self,
        status: int = 200,
        body: Any = b"",
        headers: dict[str, str] | None = None,
        ctype: str | None = "application/json",
    ):
        self.status = status
        self.body = bytes(body) if isinstance(body, bytes | bytearray) else json.dumps(body).encode()
        self.headers = dict(headers or {})
        if ctype and "Content-Type" not in self.headers:
            self.headers["Content-Type"] = ctype


class Upstream:
    """A provider. Subclasses have `handle` and `usage`, and call `reset` of this class in theirs."""

    name = "fake"

    def __init__(self, args: argparse.Namespace):
        self.args = args
        self.lock = threading.RLock()
        self.log: list[dict[str, Any]] = []
        self.started = time.time()

    def reset(self) -> None:
        with self.lock:
            self.log.clear()

    def usage(self) -> dict[str, Any]:
        return {"unit": "jobs", "jobs": {}}

    def handle(self, req: Request) -> Response:
        raise NotImplementedError

    def secrets(self) -> list[str]:
        """What a careless provider gives back with `--hazards`."""
        return [self.args.expect_token]

    def redirected(self, req: Request) -> Response | None:
        """With `--hazards`, a redirect to itself with the credential in the address; nothing the second time."""
        if not self.args.hazards or "redirected" in req.query:
            return None
        target = f"{self.args.public_url}{urlsplit(req.raw_path).path}?redirected=1&token={self.args.expect_token}"
        return Response(302, b"", {"Location": target}, ctype=None)


def base_parser(description: str, token: str = "REAL-TOKEN") -> argparse.ArgumentParser:
    """The arguments that all stand-ins take."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one; the first line on stdout names it")
    parser.add_argument("--expect-token", default=token, help="the credential that this provider accepts")
    parser.add_argument("--public-url", default="", help="what it calls itself in absolute URLs, or a path on itself")
    parser.add_argument("--mount", action="append", default=[], help="PREFIX=TARGET, see above; repeatable")
    parser.add_argument("--latency", type=float, default=0.15, help="seconds that a job is pending and running")
    parser.add_argument("--forbid", action="append", default=[], help="must be in no request, in any form; repeatable")
    parser.add_argument("--hazards", action="store_true", help="give the credential back wherever a provider might")
    parser.add_argument("--log", help="append every request to this file, one JSON object a line")
    parser.add_argument("--quiet", action="store_true")
    return parser


def renderings(secret: str) -> Iterator[str]:
    """The secret as it is, and as it looks inside base64 of either alphabet, whatever stands before it."""
    yield secret
    raw = secret.encode()
    for skip in range(3):
        # The first and the last group depend on the neighbours.
        middle = base64.b64encode(b"\0" * skip + raw)[4:-4].decode()
        if len(middle) >= 8:
            yield middle
            yield middle.replace("+", "-").replace("/", "_")
    if len(raw) >= 8:
        yield raw.hex()


def routed(mounts: list[str], sent_path: str) -> str | None:
    """The path below the mount that it was sent to; None outside all mounts."""
    if not mounts:
        return sent_path
    for prefix, target in sorted((mount.split("=", 1) for mount in mounts), reverse=True):
        rest = sent_path.removeprefix(prefix)
        if rest != sent_path and rest[:1] in ("", "/", "?"):
            return target + rest if target + rest[:1] not in ("", "?") else "/" + rest
    return None


def violations(args: argparse.Namespace, req: Request) -> list[str]:
    """What should never have reached a provider."""
    head = [req.sent_path, unquote(req.sent_path)] + [f"{name}: {value}" for name, value in req.headers.items()]
    text = "\n".join([*head, req.body.decode("utf-8", "replace"), unquote(req.body.decode("utf-8", "replace"))])
    found = [
        f"the forbidden {secret[:8]}… in {req.method} {urlsplit(req.raw_path).path}"
        for secret in args.forbid
        if any(form in text for form in renderings(secret))
    ]
    found += [f"the header {name}" for name in req.headers if name.lower().startswith(UNWANTED)]
    return found


def _read_chunked(stream: Any) -> bytes:
    body = bytearray()
    while True:
        size = int(stream.readline(65536).strip().split(b";")[0], 16)
        if size == 0:
            while stream.readline(65536).strip():
                pass
            return bytes(body)
        body += stream.read(size)
        stream.readline(8)


def _handler(provider: Upstream) -> type[BaseHTTPRequestHandler]:
    args = provider.args

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        server_version = "Upstream/1"
        disable_nagle_algorithm = True

        def log_message(self, *_: Any) -> None:
            pass

        def _body(self) -> tuple[bytes, bytes]:
            """As sent, and decoded."""
            if "chunked" in (self.headers.get("Transfer-Encoding") or "").lower():
                raw = _read_chunked(self.rfile)
            else:
                raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            decode = {"deflate": zlib.decompress, "gzip": gzip.decompress}.get(
                self.headers.get("Content-Encoding", "").lower()
            )
            return raw, decode(raw) if decode else raw

        def _serve(self) -> None:
            try:
                raw, body = self._body()
            except (ValueError, OSError, zlib.error) as error:
                self.close_connection = True
                self._send(Response(400, {"error": repr(error)}))
                return
            path = urlsplit(self.path).path
            if path.startswith("/__fake__/"):
                self._send(self._admin(path.removeprefix("/__fake__/"), body))
                return
            raw_path = routed(args.mount, self.path)
            req = Request(self.command, self.path, raw_path or self.path, self.headers, body, raw)
            text = body.decode("utf-8", "replace")
            record = {
                "t": round(time.time() - provider.started, 4),
                "method": self.command,
                "path": self.path,
                "headers": [[name, value] for name, value in self.headers.items()],
                "body_len": len(raw),
                "body": text[:20000] if "\ufffd" not in text[:200] else None,
                "violations": violations(args, req),
            }
            try:
                answer = provider.handle(req) if raw_path else Response(404, {"error": "not mounted here"})
            except Exception as error:  # noqa: BLE001, a stand-in's own mistake must be seen by whoever called it
                traceback.print_exc(file=sys.stderr)
                answer = Response(500, {"error": repr(error)})
            if args.hazards:
                for number, secret in enumerate(provider.secrets()):
                    answer.headers[f"X-Debug-Auth-{number}"] = secret
                answer.headers["Set-Cookie"] = f"upstream={provider.secrets()[0]}; Path=/"
                answer.headers["X-Served-By"] = args.public_url
            record["status"] = answer.status
            self._note(record)
            self._send(answer)

        def _note(self, record: dict[str, Any]) -> None:
            with provider.lock:
                provider.log.append(record)
                if args.log:
                    with open(args.log, "a", encoding="utf-8") as file:
                        file.write(json.dumps(record) + "\n")
            if not args.quiet:
                line = f"{provider.name} {record['method']} {record['path']} -> {record['status']}"
                print(line, *record["violations"], file=sys.stderr, flush=True)

        def _admin(self, what: str, body: bytes) -> Response:
            if what == "health":
                return Response(200, {"ready": True, "provider": provider.name})
            if what == "log":
                with provider.lock:
                    return Response(200, list(provider.log))
            if what == "usage":
                return Response(200, provider.usage())
            if what == "forbid" and self.command == "POST":
                args.forbid.append(body.decode())
                return Response(200, {"ok": True})
            if what == "reset" and self.command == "POST":
                provider.reset()
                return Response(200, {"ok": True})
            return Response(404, {})

        def _send(self, answer: Response) -> None:
            has_body = answer.status not in (204, 304)
            try:
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                if has_body and "Content-Length" not in answer.headers:
                    self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                if has_body and self.command != "HEAD":
                    self.wfile.write(answer.body)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = _serve  # noqa: N815

    return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256


def serve(kind: type[Upstream], args: argparse.Namespace) -> None:
    """Listens until the process is ended; the first line on stdout says where."""
    provider = kind(args)
    server = _Server((args.host, args.port), _handler(provider))
    url = f"http://{args.host}:{server.server_address[1]}"
    if not args.public_url.startswith("http"):
        args.public_url = url + args.public_url
    ready = {"ready": True, "provider": provider.name, "port": server.server_address[1], "url": url}
    print(json.dumps(ready), flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()
