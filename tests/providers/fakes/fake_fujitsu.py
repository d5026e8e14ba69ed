"""A stand-in for the Fujitsu Digital Annealer: the asynchronous QUBO API of DA4 (v4) and DA3c (v3c).

    python fake_fujitsu.py --expect-token REAL [--max-jobs N]

* X-Api-Key is the credential; X-Access-Token together with it is an error
* DELETE of a result answers with the result, and while the job still runs with its state: it is how the client polls
* the list has every job of the key, whoever submitted it, and the client deletes any finished one when told 429
* with `num_run` 13 a problem is told 429 until some job has been deleted since, as if all places were taken
* with `num_run` 14 a job waits to be cancelled
* `timing.solve_time`, a string of milliseconds, is in results only, and is gone with the job when that is deleted
"""

import argparse
import itertools
import re
import secrets
import time
from datetime import datetime, timezone
from typing import Any

from upstream import Request, Response, Upstream, base_parser, serve

FULL, HELD = 13, 14
VARIABLES = 14  # solved exactly up to here


def solve(polynomial: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The best configurations of a binary polynomial, best first."""
    names = sorted({index for term in polynomial for index in term["p"]})
    rows = []
    tries = itertools.product((False, True), repeat=len(names)) if len(names) <= VARIABLES else [(False,) * len(names)]
    for bits in tries:
        value = dict(zip(names, bits, strict=True))
        rows.append((sum(term["c"] for term in polynomial if all(value[index] for index in term["p"])), value))
    rows.sort(key=lambda row: row[0])
    return [
        {
            "energy": energy,
            "penalty_energy": 0.0,
            "frequency": 1,
            "configuration": {str(index): bit for index, bit in value.items()},
        }
        for energy, value in rows[:5]
    ]


class Fujitsu(Upstream):
    name = "fujitsu"

    def __init__(self, args: argparse.Namespace):
        super().__init__(args)
        self.jobs: dict[str, dict[str, Any]] = {}
        self.deletions = self.full_since = 0
        self.reset()

    def reset(self) -> None:
        with self.lock:
            super().reset()
            self.jobs.clear()
            self.deletions, self.full_since = 0, -1
            foreign = self._new({"binary_polynomial": {"terms": [{"c": -1.0, "p": [0]}]}, "fujitsuDA3": {}})
            foreign.update(foreign=True, t0=time.time() - 100)

    def usage(self) -> dict[str, Any]:
        with self.lock:
            jobs = {
                job["id"]: {
                    "status": self._status(job),
                    "amount": {"Done": job["solve_time"], "Canceled": 0}.get(self._status(job)),
                    "deleted": job["deleted"],
                    "foreign": job["foreign"],
                }
                for job in self.jobs.values()
            }
        return {"unit": "milliseconds", "jobs": jobs}

    def _new(self, spec: dict[str, Any]) -> dict[str, Any]:
        parameters = next((value for name, value in spec.items() if name.startswith("fujitsuDA")), {})
        # The contract's id comes first, then a serial number, as at the real service.
        key = f"CONTRACT0042-{len(self.jobs):04}-{secrets.token_hex(6)}"
        job = {
            "id": key,
            "spec": spec,
            "t0": time.time(),
            "held": parameters.get("num_run") == HELD,
            "solve_time": 100 + 7 * len(spec["binary_polynomial"]["terms"]) + len(self.jobs),
            "cancelled": False,
            "deleted": False,
            "foreign": False,
        }
        self.jobs[key] = job
        return job

    def _status(self, job: dict[str, Any]) -> str:
        if job["cancelled"]:
            return "Canceled"
        age = time.time() - job["t0"]
        if job["held"] or age < self.args.latency / 2:
            return "Waiting"
        return "Running" if age < self.args.latency else "Done"

    def _error(self, status: int, text: str) -> Response:
        if self.args.hazards:
            text += f" (X-Api-Key: {self.args.expect_token})"
        return Response(status, {"error": {"code": status, "title": "Error", "message": text}})

    def handle(self, req: Request) -> Response:
        if req.headers.get("X-Access-Token"):
            return self._error(400, "X-Access-Token and X-Api-Key exclude each other")
        if req.headers.get("X-Api-Key") != self.args.expect_token:
            return self._error(401, "Unauthorized")
        if req.path == "/v1/healthcheck" and req.method == "GET":
            return Response(200, {"status": "OK"})
        found = re.fullmatch(r"/(?:v4|v3c)/async(/.*)", req.path)
        if not found:
            # Stored problems and administration live elsewhere on the real host.
            return (
                Response(200, {"PRIVATE": "contract"})
                if req.path.startswith("/v1/contract")
                else self._error(404, "Not Found")
            )
        with self.lock:
            return self._async(req, found[1])

    def _async(self, req: Request, path: str) -> Response:
        if (req.method, path) == ("POST", "/qubo/solve"):
            return self._submit(req.json())
        if (req.method, path) == ("GET", "/jobs"):
            rows = [
                {
                    "job_id": job["id"],
                    "job_status": self._status(job),
                    "start_time": datetime.fromtimestamp(job["t0"], timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
                }
                for job in self.jobs.values()
                if not job["deleted"]
            ]
            return Response(200, {"job_status_list": rows})
        if (req.method, path) == ("POST", "/jobs/cancel"):
            job = self.jobs.get(req.json().get("job_id"))
            if job is None or job["deleted"]:
                return self._error(404, "no such job")
            if self._status(job) != "Done":
                job["cancelled"] = True
            return Response(200, {"status": self._status(job)})
        found = re.fullmatch(r"/jobs/result/([^/]+)", path)
        job = self.jobs.get(found[1]) if found else None
        if job is None or job["deleted"] or req.method not in ("GET", "DELETE"):
            return self._error(404, "no such job")
        return self._result(job, delete=req.method == "DELETE")

    def _submit(self, spec: dict[str, Any]) -> Response:
        parameters = next((value for name, value in spec.items() if name.startswith("fujitsuDA")), {})
        if parameters.get("num_run") == FULL and (self.full_since < 0 or self.deletions == self.full_since):
            self.full_since = self.deletions
            return Response(429, {"message": [{"message": "Exceed limit of number of request"}]})
        self.full_since = -1
        if sum(not job["deleted"] for job in self.jobs.values()) >= self.args.max_jobs:
            return Response(429, {"message": [{"message": "Exceed limit of number of request"}]})
        return Response(200, {"job_id": self._new(spec)["id"]})

    def _result(self, job: dict[str, Any], *, delete: bool) -> Response:
        status = self._status(job)
        answer: dict[str, Any] = {"status": status}
        if status == "Done":
            solutions = solve(job["spec"]["binary_polynomial"]["terms"])
            answer["qubo_solution"] = {
                "result_status": True,
                "progress": [{"energy": solutions[0]["energy"], "penalty_energy": 0.0, "time": 0.1}],
                "timing": {"solve_time": str(job["solve_time"]), "total_elapsed_time": str(job["solve_time"] + 50)},
                "solutions": solutions,
            }
        if delete and status in ("Done", "Canceled"):
            job["deleted"] = True
            self.deletions += 1
            answer["status"] = "Deleted"
        return Response(200, answer)


if __name__ == "__main__":
    parser = base_parser(__doc__.splitlines()[0])
    parser.add_argument("--max-jobs", type=int, default=200, help="jobs that the key may have before it is told 429")
    serve(Fujitsu, parser.parse_args())
