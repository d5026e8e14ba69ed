"""A stand-in for the IonQ Cloud Platform API, v0.4; the v0.3 shapes of jobs and results answer too.

    python fake_ionq.py --expect-token REAL_KEY

`Authorization: apiKey <key>` is asked for everywhere but at GET /vX/backends…, as at the real service. /whoami and
/organizations/<id>/usage tell about the account. Every job is a Bell pair; the children of a job with several circuits
have durations of their own, which are part of the parent's. A job whose name starts with "hold" waits to be cancelled.
"""

import argparse
import re
import time
import uuid
from datetime import datetime, timezone
from typing import Any

from upstream import Request, Response, Upstream, base_parser, serve

BACKENDS = [
    {
        "backend": "simulator",
        "status": "available",
        "qubits": 29,
        "average_queue_time": 0,
        "last_updated": 1700000000,
        "noise_models": ["ideal", "aria-1"],
    },
    {
        "backend": "qpu.forte-1",
        "status": "available",
        "qubits": 36,
        "average_queue_time": 1000,
        "last_updated": 1700000000,
        "characterization_id": "c-1",
        "degraded": False,
    },
]


def iso():
    return datetime.now(timezone.utc).isoformat().replace("+00:00", "Z")


class Ionq(Upstream):
    name = "ionq"

    def __init__(self, args: argparse.Namespace):
        super().__init__(args)
        self.jobs = {}
        self.org = str(uuid.UUID(int=0x1234))
        self.foreign = self._job(
            {
                "backend": "qpu.forte-1",
                "type": "ionq.circuit.v1",
                "input": {"qubits": 2},
                "name": "FOREIGN",
                "shots": 10,
            },
            foreign=True,
        )
        self.foreign["t0"] -= 100

    def reset(self) -> None:
        with self.lock:
            self.log.clear()
            self.jobs = {self.foreign["id"]: self.foreign}

    def usage(self) -> dict[str, Any]:
        with self.lock:
            return {"unit": "milliseconds", "jobs": {job["id"]: self._used(job) for job in self.jobs.values()}}

    def _used(self, job: dict[str, Any]) -> dict[str, Any]:
        """A child's time is part of its parent's."""
        return {
            "status": self._state(job),
            "backend": job["spec"]["backend"],
            "amount": None if job["parent"] else self._ms(job),
            "parent": job["parent"],
            "foreign": job["foreign"],
        }

    def _job(self, spec, parent=None, foreign=False):
        j = {
            "id": str(uuid.uuid4()),
            "spec": spec,
            "t0": time.time(),
            "state": None,
            "parent": parent,
            "foreign": foreign,
            "children": [],
            "submitted": iso(),
            "hold": (spec.get("name") or "").startswith("hold"),
        }
        self.jobs[j["id"]] = j
        circs = (spec.get("input") or {}).get("circuits")
        if isinstance(circs, list) and not parent and "multi" in str(spec.get("type")):
            j["children"] = [self._job(dict(spec, type="ionq.circuit.v1"), parent=j["id"])["id"] for _ in circs]
        return j

    def _state(self, j):
        if j["state"]:
            return j["state"]
        age = time.time() - j["t0"]
        if j["hold"]:
            return "ready"
        return "ready" if age < self.args.latency / 2 else "started" if age < self.args.latency else "completed"

    def _ms(self, j):
        if self._state(j) != "completed":
            return None
        base = 1000 + int(j["spec"].get("shots") or 100)
        return base * max(1, len(j["children"]))

    def _view(self, j, ver):
        st = self._state(j)
        s = j["spec"]
        d = {
            "id": j["id"],
            "status": st,
            "type": s.get("type", "ionq.circuit.v1"),
            "backend": s["backend"],
            "dry_run": bool(s.get("dry_run")),
            "submitter_id": str(uuid.UUID(int=7)),
            "project_id": str(uuid.UUID(int=8)),
            "parent_job_id": j["parent"],
            "session_id": s.get("session_id"),
            "metadata": s.get("metadata"),
            "name": s.get("name"),
            "submitted_at": j["submitted"],
            "started_at": None,
            "completed_at": None,
            "predicted_wait_time_ms": 100,
            "predicted_execution_duration_ms": 1500,
            "execution_duration_ms": self._ms(j),
            "failure": None,
            "output": {},
            "settings": s.get("settings") or {},
            "stats": {"qubits": 2, "circuits": max(1, len(j["children"]))},
            "shots": int(s.get("shots") or 100),
            "noise": s.get("noise") or {"model": "ideal"},
            "results": None,
            "cost_model": "QCT",
            "child_job_ids": j["children"] or None,
        }
        if st == "completed":
            d["started_at"] = d["completed_at"] = j["submitted"]
            d["results"] = {
                "probabilities": {"url": f"/{ver}/jobs/{j['id']}/results/probabilities"},
                "shots": {"url": f"/{ver}/jobs/{j['id']}/results/shots"},
            }
        if ver == "v0.3":
            d.update(
                target=s["backend"],
                execution_time=d["execution_duration_ms"],
                predicted_execution_time=1500,
                qubits=2,
                circuits=1,
                request=0,
                response=0,
                results_url=f"/v0.3/jobs/{j['id']}/results",
            )
        return d

    def handle(self, req: Request) -> Response:
        m = re.match(r"^/(v0\.[34])(/.*)$", req.path)
        if not m:
            return Response(404, {"statusCode": 404, "error": "Not Found", "message": "Not Found"})
        ver, p, meth = m.group(1), m.group(2).rstrip("/"), req.method
        if p == "/backends" and meth == "GET":
            return Response(200, BACKENDS)
        mm = re.match(r"^/backends/([^/]+)(/characterizations.*)?$", p)
        if mm and meth == "GET":
            if mm.group(2):
                return Response(200, {"characterizations": []})
            for b in BACKENDS:
                if b["backend"] == mm.group(1):
                    return Response(200, b)
            return Response(404, {"statusCode": 404, "error": "Not Found", "message": "no such backend"})
        auth = req.headers.get("Authorization") or ""
        if auth != f"apiKey {self.args.expect_token}":
            msg = "Invalid key provided. See https://docs.ionq.com/#section/Authentication for details."
            return Response(
                401,
                {
                    "statusCode": 401,
                    "error": "Unauthorized Error",
                    "message": msg + (f" got {auth}" if self.args.hazards else ""),
                },
            )
        if p == "/whoami":
            r = {"key_id": str(uuid.UUID(int=9)), "key_name": "org production key", "project_id": str(uuid.UUID(int=8))}
            if self.args.hazards:
                r["key"] = self.args.expect_token
            return Response(200, r)
        if re.match(r"^/organizations/[^/]+/usage$", p):
            return Response(200, {"usage": [{"total": 123}], "group_by": "project"})
        if p == "/jobs/estimate":
            return Response(
                200,
                {
                    "input_values": {},
                    "estimated_at": iso(),
                    "cost_unit": "usd",
                    "estimated_cost": 1.5,
                    "estimated_execution_time": 2,
                    "current_predicted_queue_time": 3,
                    "rate_information": {},
                },
            )
        if p == "/jobs":
            if meth == "POST":
                s = req.json()
                s["backend"] = s.get("backend") or s.get("target")
                if s["backend"] not in ("qpu", *[b["backend"] for b in BACKENDS]):
                    return Response(
                        400, {"statusCode": 400, "error": "Bad Request", "message": f"unknown backend {s['backend']}"}
                    )
                j = self._job(s)
                return Response(
                    200, {"id": j["id"], "status": "ready", "request": 0, "session_id": s.get("session_id")}
                )
            if meth == "DELETE":
                for i in req.json()["ids"]:
                    self.jobs.pop(i, None)
                return Response(200, {"ids": req.json()["ids"], "status": "deleted"})
            rows = sorted((j for j in self.jobs.values() if not j["parent"]), key=lambda j: -j["t0"])
            st = req.q("status") or req.q("filters[status]")
            if st:
                rows = [j for j in rows if self._state(j) == st]
            lim, off = int(req.q("limit", 25)), int(req.q("next", 0) or 0)
            page = rows[off : off + lim]
            r = {"jobs": [self._view(j, ver) for j in page]}
            r["next"] = str(off + lim) if off + lim < len(rows) else None
            if r["next"] is None and ver == "v0.3":
                del r["next"]
            return Response(200, r)
        if p == "/jobs/status/cancel" and meth == "PUT":
            for i in req.json()["ids"]:
                if i in self.jobs:
                    self.jobs[i]["state"] = "canceled"
            return Response(200, {"ids": req.json()["ids"], "status": "canceled"})
        mm = re.match(r"^/jobs/([0-9a-f-]{36})(/.*)?$", p)
        if mm:
            j = self.jobs.get(mm.group(1))
            if j is None:
                return Response(404, {"statusCode": 404, "error": "Not Found", "message": "Job not found."})
            sub = mm.group(2) or ""
            if sub == "" and meth == "GET":
                return Response(200, self._view(j, ver))
            if sub == "" and meth == "DELETE":
                del self.jobs[j["id"]]
                return Response(200, {"id": j["id"], "status": "deleted"})
            if sub == "/status/cancel" and meth == "PUT":
                if self._state(j) != "completed":
                    j["state"] = "canceled"
                return Response(200, {"id": j["id"], "status": "canceled"})
            if sub == "/clone" and meth == "POST":
                n = self._job(dict(j["spec"]))
                return Response(200, {"id": n["id"], "status": "ready"})
            if sub == "/move" and meth == "PUT":
                return Response(200, {"id": j["id"], "project_id": (req.json() or {}).get("project_id")})
            if sub == "/cost":
                return Response(
                    200,
                    {
                        "dry_run": False,
                        "estimated_cost": {"unit": "usd", "value": 1.5},
                        "cost": {"unit": "usd", "value": 1.25},
                    },
                )
            if sub in ("/results", "/results/probabilities", "/results/probabilities/aggregated", "/results/shots"):
                if self._state(j) != "completed":
                    return Response(404, {"statusCode": 404, "error": "Not Found", "message": "no results yet"})
                if sub.endswith("/shots"):
                    n = int(j["spec"].get("shots") or 100)
                    return Response(200, [0 if i % 2 else 3 for i in range(n)])
                bell = {"0": 0.5, "3": 0.5}
                return Response(200, {c: bell for c in j["children"]} if j["children"] else bell)
        if p == "/sessions":
            if meth == "POST":
                return Response(
                    200,
                    dict(
                        req.json(),
                        id=str(uuid.uuid4()),
                        status="created",
                        active=True,
                        organization_id=self.org,
                        project_id=str(uuid.UUID(int=8)),
                        creator_id=str(uuid.UUID(int=7)),
                    ),
                )
            return Response(200, {"sessions": []})
        return Response(404, {"statusCode": 404, "error": "Not Found", "message": "Not Found"})


if __name__ == "__main__":
    serve(Ionq, base_parser(__doc__.splitlines()[0]).parse_args())
