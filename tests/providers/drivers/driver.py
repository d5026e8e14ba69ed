"""What all drivers of real clients share: arguments, checks, and a tap on the HTTP library that the client uses.

The tap sees every address that the client really contacted and every byte that it got back. A driver ends with 0 only
if every check passed, no secret came back, and no request left the endpoint; its last line on stdout is a JSON object.
"""

import argparse
import base64
import json
import os
import sys
import tempfile
import time
import traceback
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any, NoReturn
from urllib.parse import quote

# What providers' clients read from the environment; a developer's own settings must not decide a check.
FOREIGN_SETTINGS = ("DWAVE_", "QISKIT_", "IONQ_", "AWS_", "AMZN_", "BRAKET_", "IBM_", "IAM_", "GLOBAL_", "AMPLIFY_")


def parser(description: str) -> argparse.ArgumentParser:
    """The arguments that all drivers take."""
    result = argparse.ArgumentParser(description=description)
    result.add_argument("--endpoint", required=True, help="where the client is pointed at; may have a path")
    result.add_argument(
        "--token", required=True, help="what the client is given: a Luna API key, or the real credential"
    )
    result.add_argument("--secret", action="append", default=[], help="must never come back to the client; repeatable")
    result.add_argument("--foreign-job", action="append", default=[], help="a job of somebody else; repeatable")
    result.add_argument("--isolated", action="store_true", help="others' jobs and the account must be out of reach")
    result.add_argument("--allow-leak", action="store_true", help="only report secrets that came back")
    result.add_argument("--allow-foreign", action="store_true", help="only report requests that left the endpoint")
    result.add_argument("--trace", help="write every exchange to this file, one JSON object a line")
    result.add_argument("--skip", action="append", default=[], help="a check to leave out; repeatable")
    result.add_argument("--only", action="append", default=[], help="run only this check; repeatable")
    return result


def fresh_home() -> str:
    """Keeps real clients from reading or writing anything of the user's."""
    home = tempfile.mkdtemp(prefix="driver-home-")
    for name in list(os.environ):
        if name.startswith(FOREIGN_SETTINGS) or name.lower().endswith("_proxy"):
            del os.environ[name]
    os.environ.update(HOME=home, XDG_CACHE_HOME=f"{home}/cache", XDG_CONFIG_HOME=f"{home}/config")
    # Some clients search for a .env file from the working directory upwards.
    os.chdir(home)
    return home


def expect(condition: Any, what: str) -> None:
    """Fails the check unless `condition` holds."""
    if not condition:
        raise AssertionError(what)


def refusal(call: Callable[[], Any], what: str) -> str:
    """How `call` was refused; fails the check if it was not."""
    try:
        got = call()
    except (AttributeError, TypeError, LookupError, NameError) as error:
        raise AssertionError(f"{what} broke the client instead of being refused: {error!r}") from error
    except Exception as error:  # noqa: BLE001, each client has its own kind
        return f"{type(error).__name__}: {str(error)[:160]}"
    raise AssertionError(f"{what} was accepted: {str(got)[:200]}")


def renderings(secret: str) -> Iterator[bytes]:
    """The secret in the encodings that an answer could carry it in."""
    raw = secret.encode()
    yield raw
    yield quote(secret, safe="").encode()
    yield json.dumps(secret)[1:-1].encode()
    yield raw.hex().encode()
    for skip in range(3):
        middle = base64.b64encode(b"\0" * skip + raw)[4:-4]
        if len(middle) >= 8:
            yield middle
            yield middle.replace(b"+", b"-").replace(b"/", b"_")


class Tap:
    """Listens to one client's HTTP."""

    def __init__(self, args: argparse.Namespace, also: tuple[str | None, ...] = ()):
        self.bases = [url.rstrip("/") for url in (args.endpoint, *also) if url]
        self.secrets = [secret for secret in args.secret if secret]
        self.trace = args.trace
        self.urls: list[tuple[str, str, int]] = []
        self.foreign: list[str] = []
        self.leaks: list[str] = []
        if self.trace:
            open(self.trace, "w", encoding="utf-8").close()

    def note(self, method: str, url: str, sent: Any, status: int, headers: Any, body: Any) -> None:
        """Takes one exchange down."""
        self.urls.append((method, url, status))
        if not any(url == base or url.startswith((base + "/", base + "?")) for base in self.bases):
            self.foreign.append(f"{method} {url}")
        blob = bytes(body) if isinstance(body, bytes | bytearray) else str(body or "").encode()
        head = "\n".join(f"{name}: {value}" for name, value in dict(headers or {}).items()).encode()
        # botocore's are bytes in part.
        sent = {name: v.decode("latin-1") if isinstance(v, bytes) else str(v) for name, v in dict(sent or {}).items()}
        for secret in self.secrets:
            for place, content in (("body", blob), ("headers", head)):
                if any(form in content for form in renderings(secret)):
                    self.leaks.append(f"{method} {url} -> {status} ({place})")
        if self.trace:
            record = {
                "method": method,
                "url": url,
                "headers": sent,
                "status": status,
                "answer_headers": {name: str(value) for name, value in dict(headers or {}).items()},
                "answer": blob[:4000].decode("utf-8", "replace"),
            }
            with open(self.trace, "a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")

    def hook_requests(self) -> "Tap":
        import requests

        original, tap = requests.adapters.HTTPAdapter.send, self

        def send(adapter: Any, request: Any, **options: Any) -> Any:
            answer = original(adapter, request, **options)
            tap.note(request.method, request.url, request.headers, answer.status_code, answer.headers, answer.content)
            return answer

        requests.adapters.HTTPAdapter.send = send
        return self

    def hook_httpx(self) -> "Tap":
        """On the transport, so that redirects and errors are seen too."""
        import httpx

        original, original_async, tap = (
            httpx.HTTPTransport.handle_request,
            httpx.AsyncHTTPTransport.handle_async_request,
            self,
        )

        def handle(transport: Any, request: Any) -> Any:
            answer = original(transport, request)
            answer.request = request
            answer.read()
            tap.note(
                request.method, str(request.url), request.headers, answer.status_code, answer.headers, answer.content
            )
            return answer

        async def handle_async(transport: Any, request: Any) -> Any:
            answer = await original_async(transport, request)
            answer.request = request
            await answer.aread()
            tap.note(
                request.method, str(request.url), request.headers, answer.status_code, answer.headers, answer.content
            )
            return answer

        httpx.HTTPTransport.handle_request = handle
        httpx.AsyncHTTPTransport.handle_async_request = handle_async
        return self

    def hook_botocore(self) -> "Tap":
        from io import BytesIO

        from botocore.httpsession import URLLib3Session

        original, tap = URLLib3Session.send, self

        def send(session: Any, request: Any) -> Any:
            answer = original(session, request)
            body = answer.content
            if getattr(request, "stream_output", False):
                answer.raw = BytesIO(body)  # the stream was read above
            tap.note(request.method, request.url, request.headers, answer.status_code, answer.headers, body)
            return answer

        URLLib3Session.send = send
        return self


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


class Raw:
    """Requests that the client would make only rarely, made by hand with the client's own way to authenticate."""

    def __init__(self, tap: Tap, base: str, headers: dict[str, str]):
        self.tap, self.base, self.headers = tap, base.rstrip("/"), headers
        self.accepted: list[str] = []
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect())

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Status and body; JSON where it is JSON."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        sent = {"Content-Type": "application/json"} if data is not None else {}
        sent |= self.headers | {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.base + path, data, sent, method=method)
        try:
            with self.opener.open(request, timeout=60) as answer:
                status, got, content = answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            status, got, content = error.code, error.headers, error.read()
        self.tap.note(method, request.full_url, sent, status, got, content)
        try:
            return status, json.loads(content)
        except ValueError:
            return status, content.decode("utf-8", "replace")

    def refused(self, method: str, path: str, body: Any = None, **headers: str) -> str:
        """A 4xx, and no redirect. What was let through is told by `verdict`, so that one hole does not hide others."""
        status, content = self(method, path, body, **headers)
        if not 400 <= status < 500:
            self.accepted.append(f"{method} {path} answered {status}: {str(content)[:80]}")
        return f"{status} {method} {path}"

    def refusing(self, call: Callable[[], Any], what: str) -> str:
        """`refusal` of the client's own call, told by `verdict` too."""
        try:
            return refusal(call, what)
        except AssertionError as error:
            self.accepted.append(str(error)[:160])
            return self.accepted[-1]

    def verdict(self) -> None:
        """Fails the check if anything was let through."""
        accepted, self.accepted = self.accepted, []
        expect(not accepted, "let through: " + "; ".join(accepted))


class Checks:
    """Runs checks by name and remembers how they went."""

    def __init__(self, args: argparse.Namespace, provider: str):
        self.args, self.provider = args, provider
        self.results: list[dict[str, Any]] = []
        self.facts: dict[str, Any] = {}

    def run(self, check: Callable[[], Any]) -> Any:
        """What the check returned, or None if it failed or was not wanted."""
        name = check.__name__
        if name in self.args.skip or (self.args.only and name not in self.args.only):
            return None
        begin = time.time()
        try:
            got = check()
        except Exception as error:  # noqa: BLE001, a failed check must not stop the others
            if os.environ.get("DRIVER_TRACEBACK"):
                traceback.print_exc()
            text = f"{type(error).__name__}: {error}"[:2000]
            self._note(name, begin, ok=False, error=text)
            return None
        self._note(name, begin, ok=True, got=got)
        return got

    def _note(self, name: str, begin: float, *, ok: bool, **more: Any) -> None:
        seconds = round(time.time() - begin, 2)
        self.results.append({"check": name, "ok": ok, "seconds": seconds, **more})
        print(
            f"{'ok    ' if ok else 'FAILED'} {name} ({seconds} s): {next(iter(more.values()))}",
            file=sys.stderr,
            flush=True,
        )

    def finish(self, tap: Tap) -> NoReturn:
        """Prints the verdict and ends the process at once: some clients keep threads that would not end."""
        ok = bool(self.results) and all(result["ok"] for result in self.results)
        ok = ok and (self.args.allow_foreign or not tap.foreign) and (self.args.allow_leak or not tap.leaks)
        verdict = {
            "provider": self.provider,
            "ok": ok,
            "checks": self.results,
            "facts": self.facts,
            "requests": len(tap.urls),
            "foreign": tap.foreign[:20],
            "leaks": sorted(set(tap.leaks))[:20],
        }
        for what, seen in (("left the endpoint", verdict["foreign"]), ("brought a secret back", verdict["leaks"])):
            for line in seen:
                print(f"{what}: {line}", file=sys.stderr)
        print(json.dumps(verdict, default=str), flush=True)
        os._exit(0 if ok else 1)
