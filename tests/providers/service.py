"""A `luna-organizations dev` of one's own, and what its first admin does before a member can use a token."""

import json
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from stand_in import Failed

PATIENCE = 120  # seconds that the service may take to become ready
PASSWORD = "correct horse battery staple 42"
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Service:
    """Its process, and its first admin, logged in."""

    def __init__(self, binary: str, log: Path, environment: dict[str, str]):
        self.binary, self.log = binary, log
        self.environment = environment | {"LUNA_ORGANIZATIONS_LOG_FILTER": "info,luna_organizations=trace"}
        # Open for passing through, because PostgreSQL runs as an ordinary user also below root.
        self.work = Path(tempfile.mkdtemp(prefix="providers-"))
        self.work.chmod(0o711)
        log.unlink(missing_ok=True)
        self._start()

    def _start(self) -> None:
        command = [self.binary, "dev", "--data-dir", str(self.work / "data"), "--listen", "127.0.0.1:0"]
        with open(self.log, "a", encoding="utf-8") as file:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=self.environment
            )
        try:
            self._await()
        except Failed:
            self.stop()
            raise

    def mount(self, token: str) -> str:
        """Starts anew with this token at the root of a listener of its own, too, and answers where that is."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            listen = f"127.0.0.1:{free.getsockname()[1]}"
        self.environment |= {"LUNA_ORGANIZATIONS_BROKER__MOUNTS": f'[{{token="{token}",listen="{listen}"}}]'}
        self._end()
        self._start()
        return f"http://{listen}"

    def _await(self) -> None:
        first_admin, deadline = self.work / "data" / "first-admin.json", time.time() + PATIENCE
        while time.time() < deadline and self.process.poll() is None:
            try:
                me = json.loads(first_admin.read_text(encoding="utf-8"))
                if not me["base_url"]:
                    time.sleep(0.2)
                    continue
                self.base_url, self.organization, self.bearer = me["base_url"].rstrip("/"), me["organization_id"], None
                if self.call("GET", "/readyz")[0] == 200:
                    self.bearer = self.login(me["email"], me["password"])
                    return
            except (OSError, ValueError):
                pass
            time.sleep(0.2)
        raise Failed(f"the service did not become ready; see {self.log}")

    def call(self, method: str, path: str, body: Any = None, bearer: str | None = None) -> tuple[int, Any]:
        """Status and JSON of an answer; as the first admin where no other bearer is given."""
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if bearer or self.bearer:
            headers["Authorization"] = f"Bearer {bearer or self.bearer}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base_url + path, data, headers, method=method)
        try:
            with _opener.open(request, timeout=60) as answer:
                status, content = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, content = error.code, error.read()
        try:
            return status, json.loads(content) if content else None
        except ValueError:
            return status, content.decode("utf-8", "replace")

    def created(self, path: str, body: Any, bearer: str | None = None) -> Any:
        """The answer of a POST that must succeed."""
        status, answer = self.call("POST", path, body, bearer)
        if status not in (200, 201):
            raise Failed(f"POST {path} answered {status}: {answer}")
        return answer

    def login(self, email: str, password: str) -> str:
        return self.created("/v1/sessions", {"email": email, "password": password})["access_token"]

    def check_log(self, forbidden: list[str]) -> None:
        """No credential and no key in what the service logged."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        for secret in forbidden:
            for number, line in enumerate(lines, 1):
                if secret in line:
                    raise Failed(f"{self.log}:{number} has a secret in it")

    def _end(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def stop(self) -> None:
        self._end()
        shutil.rmtree(self.work, ignore_errors=True)


def member(service: Service, name: str) -> str:
    """A new member without any role, and an API key of it that can do nothing but use tokens."""
    email = f"{name}.{secrets.token_hex(4)}@example.org"
    body = {"email": email, "given_name": name.title(), "family_name": "Member"}
    invitation = service.created(f"/v1/organizations/{service.organization}/users", body)["invitation"]
    token = invitation.get("token")
    if not token:
        link = urlsplit(invitation["link"])
        token = (parse_qs(link.query) | parse_qs(link.fragment))["token"][0]
    service.created("/v1/invitations/accept", {"token": token, "password": PASSWORD})
    session = service.login(email, PASSWORD)
    key = service.created("/v1/me/api-keys", {"name": "notebook", "scope": "use"}, session)
    return key.get("key") or key["api_key"]
