"""Lists what the real clients sent in the last run: one line for each kind of request, with how often it came.

    python3 tests/providers/recorded.py target/providers/logs/aws.direct.exchanges.jsonl …

Ids become `<id>`, and what carries the key is named, not shown. `recorded/` has the lists of a whole run.
"""

import json
import re
import sys
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

CREDENTIAL = ("authorization", "x-auth-token", "x-api-key", "x-amz-security-token", "service-crn")
FRAMING = (
    "content-type",
    "content-encoding",
    "transfer-encoding",
    "accept",
    "expect",
    "x-amz-content-sha256",
    "content-md5",
    "range",
)
# UUIDs, IBM's job ids, Fujitsu's; ARNs with them stay recognizable.
ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\bd[0-9a-f]{20}\b|CONTRACT[0-9A-Za-z-]+")


def kind(exchange: dict) -> str:
    """Method, path below `use_url`, and the headers that an adapter has to know."""
    parts = urlsplit(exchange["url"])
    path = re.sub(r"^/v1/qpu/[^/]+", "", parts.path)
    query = "&".join(f"{pair.split('=')[0]}=…" for pair in parts.query.split("&")) if parts.query else ""
    headers = {name.lower(): value for name, value in exchange["headers"].items()}
    told = [
        f"{name}: {re.split('[ =]', headers[name])[0]} …" if " " in headers[name] else f"{name}: …"
        for name in CREDENTIAL
        if name in headers
    ]
    for name in FRAMING:
        value = headers.get(name, "*/*")
        if value != "*/*":
            told.append(f"{name}: {re.sub('^([0-9a-f]{64}|[0-9A-Za-z+/]{22}==)$', '<hash>', value)}")
    return f"{exchange['method']:<6} {ID.sub('<id>', path)}{'?' + query if query else ''}\n       " + "; ".join(told)


def main() -> None:
    for file in map(Path, sys.argv[1:]):
        lines = file.read_text(encoding="utf-8").splitlines()
        for line, times in sorted(
            Counter(kind(json.loads(line)) for line in lines).items(), key=lambda row: row[0][7:]
        ):
            print(line.replace("\n", f"   ×{times}\n", 1))


if __name__ == "__main__":
    main()
