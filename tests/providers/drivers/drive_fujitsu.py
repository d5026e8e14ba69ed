"""Drives Fixstars Amplify's clients for the Fujitsu Digital Annealer, DA4 and DA3c. They need no licence for it.

    python drive_fujitsu.py --endpoint BASE/da --token KEY --secret REAL [--isolated --foreign-job ID]

The client is native code that keeps Python's global lock while it waits, so `recorder.py` listens in a process of its
own. The few calls that the client makes rarely are also made by hand, as it makes them.
"""

import atexit
import base64
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

from driver import Checks, Raw, Tap, expect, fresh_home, parser, refusal

ap = parser(__doc__.splitlines()[0])
args = ap.parse_args()
here = Path(__file__).resolve().parent
fresh_home()

from amplify import FujitsuDA3cClient, FujitsuDA4Client, Model, VariableGenerator, parallel_solve, solve

tap = Tap(args)
checks = Checks(args, "fujitsu")
parts = urlsplit(args.endpoint)
records = Path(tempfile.mkdtemp()) / "exchanges.jsonl"
recorder = subprocess.Popen(
    [sys.executable, str(here / "recorder.py"), f"{parts.scheme}://{parts.netloc}", str(records)],
    stdout=subprocess.PIPE,
    text=True,
)
atexit.register(recorder.terminate)
url = recorder.stdout.readline().strip() + parts.path.rstrip("/")
raw = Raw(tap, args.endpoint, {"X-Api-Key": args.token, "Accept": "application/json"})
FULL, HELD = 13, 14

variables = VariableGenerator().array("Binary", 3)
# Best at -3: the first and the third.
model = Model(-1 * variables[0] - 1 * variables[1] - 2 * variables[2] + 2 * variables[0] * variables[1])


def client(kind=FujitsuDA4Client, token=None, **parameters):
    result = kind(token or args.token, None, url)
    result.parameters.time_limit_sec = 1
    for name, value in parameters.items():
        setattr(result.parameters, name, value)
    return result


def solved(result):
    expect(result.best.objective == -3, f"the best is {result.best.objective}")
    return {"objective": result.best.objective, "solve_time": str(result.client_result.qubo_solution.timing.solve_time)}


def poll(version, job):
    """GET of a result, by hand, until the job has ended."""
    deadline = time.time() + 30
    while time.time() < deadline:
        status, answer = raw("GET", f"/{version}/async/jobs/result/{job}")
        expect(status == 200, f"GET result answered {status} {answer}")
        if answer["status"] not in ("Waiting", "Running"):
            return answer
        time.sleep(0.1)
    raise AssertionError(f"{job} never ended")


def da4():
    return solved(solve(model, client()))


def da3c():
    return solved(solve(model, client(FujitsuDA3cClient)))


def health():
    return client().health_check().code


def parallel():
    """Twenty at once."""
    results = parallel_solve([model] * 20, [client() for _ in range(20)])
    expect(len(results) == 20 and all(result.best.objective == -3 for result in results), "every result is the best")
    return len(results)


def result_by_get():
    """A job whose result is read twice, by client and by hand, and deleted after that: one booking."""
    job = client().async_solve(variables[0] * variables[1] - variables[2])
    answer = poll("v4", job)
    expect(isinstance(answer["qubo_solution"]["timing"]["solve_time"], str), "solve_time is a string")
    again = client().get_job_result(job)
    expect(str(again.status).endswith("Done"), f"the state {again.status}")
    deleted = client().delete_job_result(job)
    refused = raw.refused("GET", f"/v4/async/jobs/result/{job}")
    raw.verdict()
    return {"job": job, "after DELETE": str(deleted.status), "then": refused}


def abandoned():
    """Nobody ever reads this one's result."""
    return client().async_solve(variables[0] - variables[1])


def cancel():
    job = client(num_run=HELD).async_solve(variables[0] - variables[2])
    status = client().cancel_job(job)
    other = client(num_run=HELD).async_solve(variables[0] - variables[1])
    code, answer = raw("POST", "/v4/async/jobs/cancel", {"job_id": other})
    expect(code == 200 and answer["status"] == "Canceled", f"{code} {answer}")
    return {"client": str(status), "by hand": answer}


def listing():
    mine = client().async_solve(variables[0] + variables[1])
    rows = {row.job_id for row in client().get_jobs()}
    expect(mine in rows, "the own job is not listed")
    foreign = rows & set(args.foreign_job)
    expect(not (foreign and args.isolated), "somebody else's job is listed")
    status, answer = raw("GET", "/v4/async/jobs")
    expect(status == 200 and mine in {row["job_id"] for row in answer["job_status_list"]}, f"{status} {answer}")
    return {"rows": len(rows), "foreign": len(foreign)}


def full():
    """Told 429, the client deletes some finished job; there is an own one."""
    job = client().async_solve(variables[0] - 3 * variables[1])
    poll("v4", job)
    begin = time.time()
    told = solved(solve(model, client(num_run=FULL)))
    left = {row.job_id for row in client().get_jobs()}
    return told | {"seconds": round(time.time() - begin, 1), "the own job is left": job in left}


def wrong_key():
    return refusal(lambda: solve(model, client(token=args.token + "x")), "a wrong key")


def isolation():
    """Somebody else's job is out of reach, and so is all but the solver."""
    told = [
        raw.refused("GET", "/v1/contract"),
        raw.refused("PUT", "/v4/async/jobs"),
        raw.refused("GET", "/v4/../v1/contract"),
    ]
    for job in args.foreign_job:
        for version in ("v4", "v3c"):
            for method in ("GET", "DELETE"):
                told.append(raw.refused(method, f"/{version}/async/jobs/result/{job}"))
            told.append(raw.refused("POST", f"/{version}/async/jobs/cancel", {"job_id": job}))
        told.append(raw.refusing(lambda job=job: client().cancel_job(job), "cancelling somebody else's job"))
    told.append(raw.refused("GET", "/v4/async/jobs", None, X_Access_Token="x"))
    raw.verdict()
    return told


for check in (health, da4, da3c, parallel, result_by_get, abandoned, cancel, listing, full, wrong_key):
    checks.run(check)
if args.isolated:
    checks.run(isolation)
recorder.terminate()
for line in records.read_text(encoding="utf-8").splitlines():
    record = json.loads(line)
    tap.note(
        record["method"],
        record["url"],
        record["headers"],
        record["status"],
        record["answer_headers"],
        base64.b64decode(record["answer"]),
    )
checks.finish(tap)
