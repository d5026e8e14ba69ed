"""A stand-in for the IBM Quantum Platform: its identity service, Global Search, the catalog and the runtime API.

    python fake_ibm.py --expect-token REAL_API_KEY [--crn CRN] [--usage-lag SECONDS]

One port serves the hosts that are separate in reality:

    iam.cloud.ibm.com               POST /identity/token
    api.global-search-tagging…      POST /v3/resources/search
    globalcatalog.cloud.ibm.com     GET  /globalcatalog/api/v1/<plan>, and GET /<plan>
    quantum.cloud.ibm.com           /api/v1/{backends,jobs,sessions,instances,workloads}…

The runtime API takes only `Authorization: Bearer` with an access token that was made here and has not expired, with
the right `Service-CRN`. Each such token contains REALIAMSIG, so that a check can look for it on the client's side.
The usage of a job (GET /jobs/<id>/metrics) is `pending` for --usage-lag seconds after its end, so metering from the
client's own calls alone counts too little. A job with the tag "hold" stays queued, so that it can be cancelled.
"""

import argparse
import base64
import json
import re
import secrets
import time
import uuid
from typing import Any
from urllib.parse import parse_qs

from ibm_device import BACKEND, CONFIG, iso, properties, sampler_result
from upstream import Request, Response, Upstream, base_parser, serve

DEFAULT_CRN = (
    "crn:v1:bluemix:public:quantum-computing:us-east:"
    "a/0123456789abcdef0123456789abcdef:11111111-2222-3333-4444-555555555555::"
)


def b64u(b):
    return base64.urlsafe_b64encode(b).rstrip(b"=").decode()


class Ibm(Upstream):
    name = "ibm"

    def __init__(self, args: argparse.Namespace):
        super().__init__(args)
        self.tokens, self.jobs, self.sessions = {}, {}, {}
        self.exchanges = 0
        fj = self._job({"program_id": "sampler", "backend": BACKEND, "params": {"pubs": [[None]]}, "tags": ["FOREIGN"]})
        fj["foreign"], fj["t0"] = True, time.time() - 100
        self.foreign = fj

    def reset(self) -> None:
        with self.lock:
            self.log.clear()
            self.jobs, self.sessions = {self.foreign["id"]: self.foreign}, {}

    @staticmethod
    def _elapsed(session):
        """Billed by wall time, until it is closed."""
        return (session.get("ended") or time.time()) - session["t0"]

    def usage(self) -> dict[str, Any]:
        with self.lock:
            jobs = {
                job["id"]: {"status": self._state(job), "amount": self._seconds(job), "foreign": job["foreign"]}
                for job in self.jobs.values()
            }
            sessions = {key: {"elapsed_seconds": self._elapsed(value)} for key, value in self.sessions.items()}
        return {"unit": "seconds", "jobs": jobs, "sessions": sessions, "exchanges": self.exchanges}

    def secrets(self) -> list[str]:
        return [self.args.expect_token, *list(self.tokens)[-1:]]

    # -- auth ----------------------------------------------------------------
    def _mint(self):
        now = int(time.time())
        claims = {
            "iam_id": "IBMid-REALUSER",
            "id": "IBMid-REALUSER",
            "sub": "owner@org.example",
            "account": {"bss": "0123456789abcdef0123456789abcdef", "valid": True},
            "iat": now,
            "exp": now + self.args.token_ttl,
            "iss": "https://iam.cloud.ibm.com/identity",
            "grant_type": "urn:ibm:params:oauth:grant-type:apikey",
            "scope": "ibm openid",
            "jti": secrets.token_hex(8),
        }
        tok = ".".join(
            [
                b64u(json.dumps({"alg": "RS256", "kid": "fake"}).encode()),
                b64u(json.dumps(claims).encode()),
                "REALIAMSIG" + secrets.token_hex(17),
            ]
        )
        self.tokens[tok] = now + self.args.token_ttl
        return tok, now + self.args.token_ttl

    def _authed(self, req, crn=True):
        a = req.headers.get("Authorization") or ""
        ok = False
        if a.startswith("Bearer "):
            ok = self.tokens.get(a[7:], 0) > time.time()
        elif a.lower().startswith("apikey ") and self.args.allow_apikey:
            ok = a[7:] == self.args.expect_token
        if not ok:
            return Response(
                401,
                {
                    "errors": [
                        {
                            "code": 1200,
                            "message": "Unauthenticated. " + (f"(saw {a})" if self.args.hazards else ""),
                            "solution": "",
                            "more_info": "",
                        }
                    ],
                    "trace": "t",
                },
            )
        if crn and req.headers.get("Service-CRN") != self.args.crn:
            return Response(403, {"errors": [{"code": 1201, "message": "instance not accessible"}]})
        return None

    # -- jobs ----------------------------------------------------------------
    def _job(self, spec):
        params = spec.get("params") or {}
        pubs = params.get("pubs") or []
        shots = (params.get("options") or {}).get("default_shots") or 100
        for p in pubs:
            if isinstance(p, list) and len(p) > 2 and p[2]:
                shots = p[2]
        j = {
            "id": "d" + secrets.token_hex(10),
            "spec": spec,
            "t0": time.time(),
            "cancelled": None,
            "tags": spec.get("tags") or [],
            "shots": int(shots),
            "npubs": max(1, len(pubs)),
            "foreign": False,
            "hold": "hold" in (spec.get("tags") or []),
        }
        self.jobs[j["id"]] = j
        return j

    def _state(self, j):
        if j["cancelled"]:
            return "Cancelled"
        age = time.time() - j["t0"]
        if j["hold"]:
            return "Queued"
        return "Queued" if age < self.args.latency / 2 else "Running" if age < self.args.latency else "Completed"

    def _seconds(self, j):
        return 2 + j["npubs"] if self._state(j) == "Completed" else 0

    def _brief(self, j, params=False):
        st = self._state(j)
        d = {
            "id": j["id"],
            "backend": j["spec"].get("backend"),
            "program": {"id": j["spec"].get("program_id")},
            "created": iso(j["t0"]),
            "status": st,
            "state": {"status": st},
            "tags": j["tags"],
            "private": False,
            "user_id": "IBMid-REALUSER",
            "session_id": j["spec"].get("session_id"),
            "cost": 600,
            "estimated_running_time_seconds": 3.2,
            "estimated_max_running_time_seconds": 40,
        }
        if st in ("Completed", "Cancelled"):
            d["ended"] = iso()
        if params:
            d["params"] = j["spec"].get("params")
        return d

    # -- http ----------------------------------------------------------------
    def handle(self, req: Request) -> Response:
        p, m = req.path, req.method
        if p == "/identity/token" and m == "POST":
            f = {k: v[0] for k, v in parse_qs(req.body.decode()).items()}
            if (
                f.get("grant_type") != "urn:ibm:params:oauth:grant-type:apikey"
                or f.get("apikey") != self.args.expect_token
            ):
                return Response(
                    400,
                    {
                        "errorCode": "BXNIM0415E",
                        "errorMessage": "Provided API key could not be found.",
                        "context": {"requestId": "x", "requestType": "incoming.Identity_Token"},
                    },
                )
            tok, exp = self._mint()
            self.exchanges += 1
            return Response(
                200,
                {
                    "access_token": tok,
                    "refresh_token": "not_supported",
                    "ims_user_id": 1,
                    "token_type": "Bearer",
                    "expires_in": self.args.token_ttl,
                    "expiration": exp,
                    "scope": "ibm openid",
                },
            )
        if p == "/v3/resources/search" and m == "POST":
            return self._authed(req, crn=False) or Response(
                200,
                {
                    "limit": 100,
                    "items": [
                        {
                            "crn": self.args.crn,
                            "service_plan_unique_id": "plan-1",
                            "name": "fake-instance",
                            "tags": [],
                            "doc": {"extensions": {"usage_allocation_seconds": 600}},
                        }
                    ],
                },
            )
        if (p.startswith("/globalcatalog/api/v1/") or p == "/plan-1") and m == "GET":
            return self._authed(req, crn=False) or Response(
                200,
                {
                    "id": "plan-1",
                    "overview_ui": {"en": {"display_name": "Open"}},
                    "metadata": {"pricing": {"type": "free"}},
                },
            )
        if p.startswith("/v1/apikeys"):  # IAM identity API: reveals keys and account
            return Response(200, {"apikey": self.args.expect_token, "iam_id": "IBMid-REALUSER"})
        if p.startswith("/api/v1/"):
            return self._authed(req) or self.runtime(req, p[len("/api/v1") :])
        return Response(404, {"errors": [{"code": 404, "message": "not found"}]})

    def runtime(self, req, p):
        m = req.method
        if p == "/backends":
            return Response(
                200,
                {
                    "devices": [
                        {
                            "name": BACKEND,
                            "class": "qpu",
                            "status": {"name": "online"},
                            "qubits": 3,
                            "queue_length": 0,
                            "processor_type": CONFIG["processor_type"],
                        }
                    ]
                },
            )
        mm = re.match(r"^/backends/([^/]+)/(configuration|properties|status|defaults)$", p)
        if mm:
            if mm.group(1) != BACKEND:
                return Response(404, {"errors": [{"code": 1216, "message": "no such backend"}]})
            return Response(
                200,
                {
                    "configuration": CONFIG,
                    "properties": properties(),
                    "defaults": {},
                    "status": {
                        "state": True,
                        "status": "active",
                        "message": "",
                        "length_queue": 0,
                        "backend_version": "1.0.0",
                    },
                }[mm.group(2)],
            )
        if p == "/instances/usage":
            return Response(
                200,
                {
                    "instance_id": self.args.crn,
                    "plan_id": "plan-1",
                    "usage_consumed_seconds": sum(self._seconds(j) for j in self.jobs.values()),
                    "usage_period": {},
                    "usage_allocation_seconds": 600,
                    "usage_limit_reached": False,
                },
            )
        if p == "/users/me":  # account details
            return Response(200, {"email": "owner@org.example", "instances": [{"name": self.args.crn}]})
        if p == "/jobs":
            if m == "POST":
                j = self._job(req.json())
                return Response(200, {"id": j["id"], "backend": j["spec"].get("backend"), "private": False})
            rows = sorted(self.jobs.values(), key=lambda j: -j["t0"])
            if req.q("tags"):
                rows = [j for j in rows if set(req.query["tags"]) <= set(j["tags"])]
            off, lim = int(req.q("offset", 0)), int(req.q("limit", 200))
            return Response(
                200,
                {
                    "jobs": [self._brief(j) for j in rows[off : off + lim]],
                    "count": len(rows),
                    "limit": lim,
                    "offset": off,
                },
            )
        mm = re.match(r"^/jobs/([^/]+)(/[a-z_]+)?$", p)
        if mm:
            j = self.jobs.get(mm.group(1))
            if j is None:
                return Response(404, {"errors": [{"code": 1291, "message": f"Job not found. Job ID: {mm.group(1)}"}]})
            sub = mm.group(2)
            if sub is None:
                if m == "DELETE":
                    del self.jobs[j["id"]]
                    return Response(204, b"", ctype=None)
                return Response(200, self._brief(j, params=req.q("exclude_params") != "true"))
            if sub == "/results":
                if self._state(j) != "Completed":
                    return Response(204, b"", ctype=None)
                return Response(200, sampler_result(j))
            if sub == "/metrics":
                st = self._state(j)
                ended = j["t0"] + self.args.latency
                final = st in ("Completed", "Cancelled") and time.time() >= ended + self.args.usage_lag
                return Response(
                    200,
                    {
                        "timestamps": {
                            "created": iso(j["t0"]),
                            "running": iso(j["t0"] + self.args.latency / 2) if st != "Queued" else None,
                            "finished": iso(ended) if st == "Completed" else None,
                        },
                        "usage": {
                            "qpu_charge_time_seconds": self._seconds(j) if final else 0,
                            "status": "complete" if final else "pending",
                        },
                        "circuits_execution_time_ns": 1_500_000_000 if final else None,
                        "num_circuits": j["npubs"],
                        "executions": j["npubs"] * j["shots"],
                        "position_in_queue": None,
                        "caller": "fake",
                        "qiskit_version": "2",
                    },
                )
            if sub == "/logs":
                return self.redirected(req) or Response(200, b"job log\n", ctype="text/plain")
            if sub == "/cancel" and m == "POST":
                if self._state(j) in ("Completed", "Cancelled"):
                    return Response(409, {"errors": [{"code": 1293, "message": "already in final state"}]})
                j["cancelled"] = time.time()
                return Response(204, b"", ctype=None)
            if sub == "/tags" and m == "PUT":
                j["tags"] = req.json()["tags"]
                return Response(204, b"", ctype=None)
        if p == "/sessions" and m == "POST":
            sid = str(uuid.uuid4())
            self.sessions[sid] = dict(req.json(), id=sid, t0=time.time(), accepting_jobs=True, state="open")
            return Response(200, self.sessions[sid])
        mm = re.match(r"^/sessions/([^/]+)(/close)?$", p)
        if mm and mm.group(1) in self.sessions:
            s = self.sessions[mm.group(1)]
            if m in ("PATCH", "DELETE"):
                s.update(accepting_jobs=False, state="closed", ended=s.get("ended") or time.time())
                return Response(204, b"", ctype=None)
            return Response(
                200,
                dict(
                    s, backend_name=s.get("backend"), max_ttl=s.get("max_ttl", 900), elapsed_time=self._elapsed(s)
                ),
            )
        if p == "/workloads":
            return Response(200, {"workloads": [], "total_count": 0})
        return Response(404, {"errors": [{"code": 404, "message": "not found"}]})


if __name__ == "__main__":
    ap = base_parser(__doc__.splitlines()[0], token="REAL-IBM-API-KEY")
    ap.add_argument("--crn", default=DEFAULT_CRN)
    ap.add_argument("--token-ttl", type=int, default=3600, help="lifetime of minted access tokens (real: 3600)")
    ap.add_argument("--usage-lag", type=float, default=0.5, help="seconds usage stays pending after completion")
    ap.add_argument(
        "--allow-apikey", action="store_true", help="also accept `Authorization: apikey <key>` (older clients)"
    )
    serve(Ibm, ap.parse_args())
