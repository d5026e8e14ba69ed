"""A running stand-in, and a run of a driver."""

import argparse
import json
import secrets
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

from suites import Suite

HERE = Path(__file__).resolve().parent
# Seconds that one driver may take.
PATIENCE = 240
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Failed(Exception):
    """A promise that was not kept, in words."""


class StandIn:
    """One provider, in a process of its own, with a credential that nothing else has."""

    PREFIX = "/v1/qpu/direct"

    def __init__(self, name: str, suite: Suite, logs: Path, *, mounted: bool):
        random = secrets.token_hex(10).upper()
        self.name, self.suite = name, suite
        self.credential = {field: value.format(random=random) for field, value in suite.credential.items()}
        self.token = suite.expected.format(**self.credential)
        command = [
            sys.executable,
            str(HERE / "fakes" / suite.fake),
            "--expect-token",
            self.token,
            "--hazards",
            *suite.options,
        ]
        if mounted:
            command += ["--public-url", self.PREFIX]
            for path, target in suite.mounts.items():
                command += ["--mount", f"{self.PREFIX}{path}={target}"]
        with open(logs / f"{name}.stand-in.log", "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        ready = self.process.stdout.readline()
        if not ready:
            raise Failed(f"the stand-in for {name} did not start; see its log")
        self.url = json.loads(ready)["url"]

    def _ask(self, what: str, body: bytes | None = None) -> Any:
        with _opener.open(urllib.request.Request(f"{self.url}/__fake__/{what}", body), timeout=30) as answer:
            return json.loads(answer.read())

    def usage(self) -> dict[str, Any]:
        return self._ask("usage")

    def foreign(self) -> dict[str, Any]:
        """The jobs that somebody else has under the same credential."""
        return {key: job for key, job in self.usage()["jobs"].items() if job["foreign"]}

    def reset(self) -> None:
        self._ask("reset", b"")

    def forbid(self, text: str) -> None:
        self._ask("forbid", text.encode())

    def secrets(self) -> list[str]:
        """What must never come back to a client or be logged."""
        return [*self.credential.values(), *self.suite.markers]

    def check(self) -> None:
        """What reached the provider: no key of ours, and nothing that it had to refuse."""
        log = self._ask("log")
        if not log:
            raise Failed("nothing reached the provider")
        found = [
            f"{text} in {request['method']} {request['path']}" for request in log for text in request["violations"]
        ]
        found += [
            f"{request['method']} {request['path']} was sent without a valid credential"
            for request in log
            if request["status"] in (401, 403)
        ]
        if created := self.usage().get("buckets_created"):
            found.append(f"buckets were created: {created}")
        if found:
            raise Failed(f"{len(found)} violations at the provider: {'; '.join(found[:5])}")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)


def drive(
    name: str,
    suite: Suite,
    args: argparse.Namespace,
    *,
    use: str,
    token: str,
    secrets: list[str],
    foreign: list[str],
    log: str,
    isolated: bool = False,
    must_fail: bool = False,
    only: list[str] | None = None,
    more: list[str] | None = None,
    arguments: list[str] | None = None,
) -> dict[str, Any]:
    """The driver's verdict; its log and every exchange are in the logs."""
    command = [str(args.environments / name / "bin" / "python"), str(HERE / "drivers" / suite.driver), "--token", token]
    command += [argument.format(use=use) for argument in arguments or suite.arguments]
    command += ["--trace", str((args.logs / f"{name}.{log}.exchanges.jsonl").resolve()), *(more or [])]
    command += [word for secret in secrets for word in ("--secret", secret)]
    command += [word for job in foreign for word in ("--foreign-job", job)]
    command += [word for check in only or [] for word in ("--only", check)]
    command += ["--isolated"] if isolated else []
    path = args.logs / f"{name}.{log}.log"
    try:
        with open(path, "w", encoding="utf-8") as file:
            run = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=file, text=True, timeout=PATIENCE
            )
    except subprocess.TimeoutExpired as error:
        raise Failed(f"the driver did not end; see {path}") from error
    try:
        verdict = json.loads(run.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError):
        raise Failed(f"the driver broke (exit code {run.returncode}); see {path}") from None
    if (run.returncode != 0) == must_fail:
        return verdict
    failed = [f"{check['check']}: {check['error'][:300]}" for check in verdict["checks"] if not check["ok"]]
    failed += [f"brought a secret back: {leak}" for leak in verdict["leaks"][:3]]
    failed += [f"left the endpoint: {request}" for request in verdict["foreign"][:3]]
    raise Failed(f"the driver ({log}) {'succeeded' if must_fail else 'failed'}; {'; '.join(failed)}; see {path}")
