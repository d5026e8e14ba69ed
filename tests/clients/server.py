"""The server under test, as `luna-organizations dev` describes it in `first-admin.json`."""

import faulthandler
import json
import os
import secrets
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path

# A suite that hangs is a failed suite: after this long, in seconds, it prints where it stands and ends.
PATIENCE = 330


@dataclass(frozen=True)
class Server:
    """Where it listens, and the credentials of its first admin."""

    base_url: str
    organization_id: str
    email: str
    password: str = field(repr=False)
    api_key: str = field(repr=False)

    @classmethod
    def from_arguments(cls) -> "Server":
        """Reads the file named by the first argument or by `LUNA_FIRST_ADMIN`."""
        faulthandler.dump_traceback_later(PATIENCE, exit=True)
        # An exception, unlike a signal, lets a suite end what it started.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped by a signal"))
        path = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("LUNA_FIRST_ADMIN")
        if path is None:
            sys.exit(f"usage: {sys.argv[0]} path/to/first-admin.json")
        return cls.from_file(path)

    @classmethod
    def from_file(cls, path: str) -> "Server":
        """Takes the members it knows and leaves the rest."""
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        return cls(
            base_url=content["base_url"].rstrip("/"),
            organization_id=content["organization_id"],
            email=content["email"],
            password=content["password"],
            api_key=content["api_key"],
        )


def fresh(text: str) -> str:
    """A name that no other suite, and no earlier run, has used."""
    return f"{text} {secrets.token_hex(4)}"


def fresh_email(name: str) -> str:
    """An address that nobody has, in a domain that can never exist (RFC 2606)."""
    return f"{name}.{secrets.token_hex(4)}@example.org"
