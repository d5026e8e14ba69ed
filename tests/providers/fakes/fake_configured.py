"""A stand-in for a provider that the service has no code for and an operator declares: modelled on Scaleway's QaaS.

    python fake_configured.py --expect-token REAL

Jobs run in sessions (/qaas/v1alpha1/{platforms,sessions,jobs}); the credential is X-Auth-Token; a finished job tells
its `job_duration` as text, such as "2.5s". As at the real service the lists show all of a project's jobs and sessions.
A job whose name starts with "hold" waits to be cancelled.
"""

import argparse
import json
import re
import time
import uuid
from datetime import datetime, timezone
from typing import Any

from upstream import Request, Response, Upstream, base_parser, serve

PLATFORM = {
    "id": "00000000-0000-0000-0000-0000000000aa",
    "version": "1",
    "name": "QPU-STAND-IN",
    "provider_name": "stand-in",
    "backend_name": "aer",  # qiskit-scaleway shows no other than those that it knows
    "type": "qpu",
    "technology": "photonic",
    "max_qubit_count": 4,
    "max_shot_count": 1000,
    "max_circuit_count": 10,
    "availability": "available",
    "metadata": "{}",
    "hardware": {"name": "stand-in", "vcpus": 0, "ram": 0},
    "description": "",
    "documentation_url": "",
    "is_bookable": False,
}

# A result of Qiskit's, as Scaleway packs it: not compressed (1), and Qiskit's (2).
RUN = {
    "shots": 100,
    "success": True,
    "data": {"counts": {"0x0": 50, "0x3": 50}},
    "header": {"n_qubits": 2, "memory_slots": 2},
}
RESULT = {"compression_format": 1, "serialization_format": 2, "serialization": json.dumps({"results": [RUN], "success": True})}


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat().replace("+00:00", "Z")


class Configured(Upstream):
    name = "configured"

    def __init__(self, args: argparse.Namespace):
        super().__init__(args)
        self.jobs: dict[str, dict[str, Any]] = {}
        self.sessions: dict[str, dict[str, Any]] = {}
        self.reset()

    def reset(self) -> None:
        with self.lock:
            super().reset()
            self.jobs.clear()
            self.sessions.clear()
            session = self._new_session({"platform_id": PLATFORM["id"], "name": "FOREIGN"})
            job = self._new_job({"session_id": session["id"], "name": "FOREIGN"})
            job.update(foreign=True, t0=time.time() - 100)

    def usage(self) -> dict[str, Any]:
        with self.lock:
            jobs = {
                job["id"]: {
                    "status": self._status(job),
                    "amount": {"completed": job["milliseconds"], "cancelled": 0}.get(self._status(job)),
                    "foreign": job["foreign"],
                }
                for job in self.jobs.values()
            }
        return {"unit": "milliseconds", "jobs": jobs}

    def _new_session(self, spec: dict[str, Any]) -> dict[str, Any]:
        session = {
            "id": str(uuid.uuid4()),
            "name": spec.get("name"),
            "platform_id": spec["platform_id"],
            "created_at": iso(time.time()),
            "started_at": iso(time.time()),
            "status": "running",
            "project_id": spec.get("project_id"),
            "tags": [],
        }
        self.sessions[session["id"]] = session
        return session

    def _new_job(self, spec: dict[str, Any]) -> dict[str, Any]:
        job = {"id": str(uuid.uuid4()), "spec": spec, "t0": time.time(), "cancelled": False, "foreign": False}
        job["milliseconds"] = 2500 + 250 * len(self.jobs)
        self.jobs[job["id"]] = job
        return job

    def _status(self, job: dict[str, Any]) -> str:
        if job["cancelled"]:
            return "cancelled"
        age = time.time() - job["t0"]
        if age < self.args.latency / 2 or (job["spec"].get("name") or "").startswith("hold"):
            return "waiting"
        return "running" if age < self.args.latency else "completed"

    def _view(self, job: dict[str, Any]) -> dict[str, Any]:
        status = self._status(job)
        duration = f"{job['milliseconds'] / 1000:g}s" if status == "completed" else None
        return {
            "id": job["id"],
            "name": job["spec"].get("name"),
            "tags": [],
            "session_id": job["spec"]["session_id"],
            "created_at": iso(job["t0"]),
            "updated_at": iso(time.time()),
            "status": status,
            "job_duration": duration,
        }

    def _error(self, status: int, kind: str, text: str) -> Response:
        if self.args.hazards:
            text += f" (X-Auth-Token: {self.args.expect_token})"
        return Response(status, {"type": kind, "message": text})

    def handle(self, req: Request) -> Response:
        if req.headers.get("X-Auth-Token") != self.args.expect_token:
            return self._error(401, "denied_authentication", "authentication is denied")
        if req.path.startswith(("/iam/", "/account/")):
            return Response(200, {"api_keys": [{"access_key": "PRIVATE", "secret_key": self.args.expect_token}]})
        path = req.path.removeprefix("/qaas/v1alpha1")
        if path == req.path:
            return self._error(404, "not_found", "resource is not found")
        with self.lock:
            if path.startswith("/jobs"):
                return self._jobs(req, path.removeprefix("/jobs"))
            return self._others(req, path)

    def _others(self, req: Request, path: str) -> Response:
        if (req.method, path) == ("GET", "/platforms"):
            return Response(200, {"total_count": 1, "platforms": [PLATFORM]})
        if (req.method, path) == ("GET", f"/platforms/{PLATFORM['id']}"):
            return Response(200, PLATFORM)
        if (req.method, path) == ("POST", "/sessions"):
            return Response(200, self._new_session(req.json()))
        if (req.method, path) == ("GET", "/sessions"):
            return Response(200, {"total_count": len(self.sessions), "sessions": list(self.sessions.values())})
        if (req.method, path) == ("POST", "/models"):
            return Response(200, {"id": str(uuid.uuid4()), "project_id": req.json().get("project_id")})
        found = re.fullmatch(r"/sessions/([^/]+)(/terminate)?", path)
        session = self.sessions.get(found[1]) if found else None
        if session is None:
            return self._error(404, "not_found", "resource is not found")
        if req.method == "DELETE":
            del self.sessions[session["id"]]
            return Response(204, b"", ctype=None)
        if req.method == "POST" and found[2]:
            session["status"] = "stopped"
        return Response(200, session)

    def _jobs(self, req: Request, path: str) -> Response:
        if (req.method, path) == ("POST", ""):
            spec = req.json()
            if spec.get("session_id") not in self.sessions:
                return self._error(404, "not_found", "the session is not found")
            return Response(200, self._view(self._new_job(spec)))
        if (req.method, path) == ("GET", ""):
            rows = [self._view(job) for job in self.jobs.values()]
            return Response(200, {"total_count": len(rows), "jobs": rows})
        found = re.fullmatch(r"/([^/]+)(/cancel|/results|/circuit)?", path)
        job = self.jobs.get(found[1]) if found else None
        if job is None:
            return self._error(404, "not_found", "resource is not found")
        if found[2] == "/cancel" and req.method == "POST":
            job["cancelled"] = self._status(job) != "completed"
            return Response(200, self._view(job))
        if found[2] == "/circuit":
            return Response(200, job["spec"].get("circuit") or {})
        if found[2] == "/results":
            done = self._status(job) == "completed"
            result = {
                "job_id": job["id"],
                "result": json.dumps(RESULT),
                "url": None,
                "created_at": iso(time.time()),
            }
            return Response(200, {"total_count": int(done), "job_results": [result] if done else []})
        return Response(200, self._view(job))


if __name__ == "__main__":
    serve(Configured, base_parser(__doc__.splitlines()[0]).parse_args())
