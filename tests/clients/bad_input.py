"""Bad input of every kind gets a 4xx with a stable code, never a 5xx.

First schemathesis, over the whole document, for a bounded time (see `fuzzing.py`); then, by hand, the inputs
that a schema does not describe (see `nastiness.py`).
"""

import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

import nastiness
import yaml
from checks import check, step
from server import Server

# Seconds: what schemathesis may spend, and what it may take beyond that to end and to report.
BUDGET, MARGIN = int(os.environ.get("LUNA_FUZZING_SECONDS", "180")), 60
# One seed, so that a red run is the commit's doing. Another: SCHEMATHESIS_SEED=7 scripts/test-clients bad_input
SEED = os.environ.get("SCHEMATHESIS_SEED", "20260101")
HERE = Path(__file__).parent
METHODS = {"get", "put", "post", "patch", "delete"}


def fuzz(server: Server, first_admin: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "answers.json"
        environment = os.environ | {
            "LUNA_FIRST_ADMIN": str(first_admin.resolve()),
            "LUNA_FUZZING_REPORT": str(report),
            "SCHEMATHESIS_HOOKS": "fuzzing",
            "PYTHONPATH": str(HERE),
        }
        command = [
            str(Path(sys.executable).parent / "schemathesis"),
            *("--config-file", str(HERE / "schemathesis.toml"), "run", f"{server.base_url}/openapi.yaml"),
            *("--url", server.base_url, "--max-time", str(BUDGET), "--no-color"),
            *("--seed", SEED),
        ]
        run = subprocess.run(command, env=environment, timeout=BUDGET + MARGIN, cwd=folder)
        check(run.returncode == 0, f"schemathesis has findings, see above (exit code {run.returncode})")
        answers = {name: {int(k): v for k, v in seen.items()} for name, seen in json.loads(report.read_text()).items()}
    check_depth(server, answers)


def operations(server: Server) -> set[str]:
    """Every operation of the document, as METHOD /path."""
    with urllib.request.urlopen(f"{server.base_url}/openapi.yaml") as answer:
        paths = yaml.safe_load(answer)["paths"]
    return {f"{method.upper()} {path}" for path, item in paths.items() for method in item if method in METHODS}


def check_depth(server: Server, answers: dict[str, dict[int, int]]) -> None:
    """A run that only ever saw 401 or 404 found nothing because it reached nothing."""
    reached = {name for name, seen in answers.items() if any(200 <= status < 300 for status in seen)}
    print(f"{sum(sum(seen.values()) for seen in answers.values())} requests; {len(reached)} of {len(answers)} "
          f"operations answered with a 2xx; not: {sorted(set(answers) - reached)}")
    missed = operations(server) - set(answers)
    check(not missed, f"never tried: {sorted(missed)}")
    check(len(reached) * 2 >= len(answers), "less than half of the operations ever accepted anything")
    for name, seen in answers.items():
        check(not any(status >= 500 for status in seen), f"{name} answered {seen}")


if __name__ == "__main__":
    server = Server.from_arguments()
    step("nasty inputs by hand")
    nastiness.tour(server)
    step("schemathesis")
    fuzz(server, Path(sys.argv[1] if len(sys.argv) > 1 else os.environ["LUNA_FIRST_ADMIN"]))
