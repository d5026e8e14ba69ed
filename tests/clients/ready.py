"""Ends with 0 as soon as the server behind `first-admin.json` says that it is ready, else with 1."""

import json
import sys
import urllib.request
from pathlib import Path

try:
    base_url = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))["base_url"]
    with urllib.request.urlopen(f"{base_url.rstrip('/')}/readyz", timeout=5) as answer:
        sys.exit(0 if answer.status == 200 else 1)
except (OSError, ValueError, KeyError):
    sys.exit(1)
