"""A stand-in for D-Wave Leap: the solver API (SAPI v2, representation 3), the metadata API, and the account API's worst calls.

    python fake_dwave.py --expect-token REAL

Done on purpose, because the real service does it (its REST manual and its client's own live tests):

* GET problems/<id>/info has the SAPI token in metadata.submitted_by
* nonlinear answers are a `binary-ref` with an absolute url
* GET problems/ lists every job of the token, whoever submitted it
* one POST problems/ carries up to 20 jobs, compressed with deflate
* an answer with its timing can come from POST, GET problems/<id>/, /answer and /info: one job, booked once
* an annealing time of 1999 µs or more keeps a job pending, so that it can be cancelled
"""

import argparse
import base64
import hashlib
import json
import re
import time
import uuid
from typing import Any

from dwave_answers import COUPLERS, NL_ANSWER_BYTES, QUBITS, b64, bq_answer, hybrid_timing, now, qp_answer
from upstream import Request, Response, Upstream, base_parser, serve

QPU_NAME, QPU_GRAPH = "Fake_Advantage_system1", "fa4e000001"

TIMING_DATA = {
    "version": "1.0.0",
    "typical_programming_time": 14072.88,
    "reverse_annealing_with_reinit_prog_time_delta": 0.0,
    "reverse_annealing_without_reinit_prog_time_delta": 5.55,
    "default_programming_thermalization": 1000.0,
    "default_annealing_time": 20.0,
    "readout_time_model": "pwl_log_log",
    "readout_time_model_parameters": [0.0, 0.903, 1.3, 1.6],
    "qpu_delay_time_per_sample": 20.54,
    "reverse_annealing_with_reinit_delay_time_delta": -4.5,
    "reverse_annealing_without_reinit_delay_time_delta": -1.5,
    "default_readout_thermalization": 0.0,
    "decorrelation_max_nominal_anneal_time": 2000.0,
    "decorrelation_time_range": [500.0, 10000.0],
}

SOLVERS = [
    {
        "identity": {"name": QPU_NAME, "version": {"graph_id": QPU_GRAPH}},
        "status": "ONLINE",
        "description": "fake 8-qubit QPU",
        "avg_load": 0.02,
        "properties": {
            "category": "qpu",
            "chip_id": QPU_NAME,
            "tags": ["lower_noise"],
            "topology": {"type": "chimera", "shape": [1, 1, 4]},
            "supported_problem_types": ["qubo", "ising"],
            "num_qubits": 8,
            "qubits": QUBITS,
            "couplers": COUPLERS,
            "h_range": [-2.0, 2.0],
            "j_range": [-1.0, 1.0],
            "extended_j_range": [-2.0, 1.0],
            "per_qubit_coupling_range": [-9.0, 6.0],
            "num_reads_range": [1, 10000],
            "annealing_time_range": [0.5, 2000.0],
            "default_annealing_time": 20.0,
            "problem_run_duration_range": [0.0, 1000000.0],
            "quota_conversion_rate": 1,
            "max_anneal_schedule_points": 12,
            "problem_timing_data": TIMING_DATA,
            "parameters": {
                "num_reads": "",
                "annealing_time": "",
                "answer_mode": "",
                "label": "",
                "auto_scale": "",
                "anneal_schedule": "",
                "flux_biases": "",
            },
        },
    },
    {
        "identity": {"name": "fake_hybrid_bqm_version2"},
        "status": "ONLINE",
        "description": "fake hybrid bqm",
        "avg_load": 0.0,
        "properties": {
            "category": "hybrid",
            "supported_problem_types": ["bqm"],
            "quota_conversion_rate": 20,
            "version": "2.2",
            "maximum_number_of_biases": 1 << 20,
            "maximum_number_of_variables": 1 << 16,
            "maximum_time_limit_hrs": 1.0,
            "minimum_time_limit": [[1, 1.0], [1024, 2.0], [4096, 4.0]],
            "parameters": {"time_limit": ""},
        },
    },
    {
        "identity": {"name": "fake_hybrid_nl_version1"},
        "status": "ONLINE",
        "description": "fake hybrid nl",
        "avg_load": 0.0,
        "properties": {
            "category": "hybrid",
            "supported_problem_types": ["nl"],
            "quota_conversion_rate": 20,
            "version": "1.0",
            "maximum_decision_state_size": 1 << 20,
            "maximum_number_of_nodes": 1 << 16,
            "maximum_number_of_states": 1,
            "maximum_state_size": 1 << 20,
            "maximum_time_limit_hrs": 1.0,
            "num_nodes_multiplier": 1e-5,
            "num_nodes_state_size_multiplier": 1e-12,
            "state_size_multiplier": 1e-10,
            "time_constant": 1e-2,
            "parameters": {"time_limit": ""},
        },
    },
]


class Sapi(Upstream):
    name = "dwave"

    def __init__(self, args: argparse.Namespace):
        super().__init__(args)
        self.jobs = {}  # id -> job record
        self.uploads = {}  # id -> {"parts": {n: bytes}, "done": bytes|None}
        # a job of somebody else in the same organisation, under the same token
        foreign = self._new_job(
            {
                "solver": {"name": QPU_NAME, "version": {"graph_id": QPU_GRAPH}},
                "type": "ising",
                "label": "FOREIGN-JOB-NOT-YOURS",
                "params": {"num_reads": 5},
                "data": {"format": "qp", "lin": b64("d", [1.0] + [float("nan")] * 7), "quad": ""},
            }
        )
        foreign["foreign"] = True
        foreign["ready_at"] = 0
        self.foreign_id = foreign["id"]

    def reset(self) -> None:
        with self.lock:
            self.log.clear()
            self.jobs = {self.foreign_id: self.jobs[self.foreign_id]}
            self.uploads = {}

    def usage(self) -> dict[str, Any]:
        with self.lock:
            return {"unit": "nanoseconds", "jobs": {job["id"]: self._used(job) for job in self.jobs.values()}}

    def _used(self, job: dict[str, Any]) -> dict[str, Any]:
        status, timing = self._status(job), {}
        if status == "COMPLETED":
            answer = self._answer(job)
            timing = answer.get("timing") or answer["data"]["info"]
        microseconds = timing.get("qpu_access_time")
        return {
            "status": status,
            "solver": job["solver"]["name"],
            "amount": None if microseconds is None else round(microseconds * 1000),
            "qpu_access_time_us": microseconds,
            "charge_time_us": timing.get("charge_time"),
            "foreign": bool(job.get("foreign")),
        }

    # -- jobs ---------------------------------------------------------------
    def _new_job(self, spec):
        jid = str(uuid.uuid4())
        slow = float(spec.get("params", {}).get("annealing_time", 0)) >= 1999  # stays PENDING: cancel me
        job = {
            "id": jid,
            "solver": spec["solver"],
            "type": spec["type"],
            "label": spec.get("label"),
            "params": spec.get("params", {}),
            "data": spec["data"],
            "submitted_on": now(),
            "ready_at": time.time() + (3600 if slow else self.args.latency),
            "cancelled": False,
        }
        with self.lock:
            self.jobs[jid] = job
        return job

    def _status(self, j):
        if j["cancelled"]:
            return "CANCELLED"
        if time.time() >= j["ready_at"]:
            return "COMPLETED"
        return "PENDING" if time.time() < j["ready_at"] - self.args.latency / 2 else "IN_PROGRESS"

    def _answer(self, j):
        if "answer" not in j:
            if j["type"] in ("ising", "qubo"):
                j["answer"] = qp_answer(j)
            elif j["type"] == "bqm":
                j["answer"] = bq_answer(j, self.uploads[j["data"]["data"]]["done"])
            else:
                j["answer"] = {
                    "format": "binary-ref",
                    "auth_method": "sapi-token",
                    "url": f"{self.args.public_url}/sapi/v2/problems/{j['id']}/answer/data/",
                    "timing": dict(hybrid_timing(j), warnings=[]),
                    "shape": {},
                }
        return j["answer"]

    def _brief(self, j, answer=False):
        st = self._status(j)
        d = {
            "id": j["id"],
            "type": j["type"],
            "solver": j["solver"],
            "label": j["label"],
            "status": st,
            "submitted_on": j["submitted_on"],
        }
        if st in ("COMPLETED", "CANCELLED"):
            d["solved_on"] = j.setdefault("solved_on", now())
        if answer and st == "COMPLETED":
            d["answer"] = self._answer(j)
        return d

    # -- http ---------------------------------------------------------------
    def _v(self, what, body, status=200, ver="3.0.0", headers=None):
        return Response(status, body, headers, f"application/vnd.dwave.sapi.{what}+json; version={ver}; charset=utf-8")

    def err(self, status, msg):
        if self.args.hazards:
            msg += f" (token {self.args.expect_token})"
        r = Response(status, {"error_code": status, "error_msg": msg})
        return r

    def handle(self, req: Request) -> Response:
        p = req.path
        if p.startswith("/metadata/v1/regions"):
            regs = [
                {"code": c, "name": c, "endpoint": f"{self.args.public_url}/sapi/v2/"}
                for c in ("na-west-1", "eu-central-1", "na-east-1")
            ]
            if p.rstrip("/").endswith("regions"):
                return Response(200, regs, ctype="application/vnd.dwave.metadata.regions+json; version=1.0.0")
            one = [r for r in regs if r["code"] == p.rstrip("/").rsplit("/", 1)[1]]
            return (
                Response(200, one[0], ctype="application/vnd.dwave.metadata.region+json; version=1.0.0")
                if one
                else self.err(404, "unknown region")
            )
        if p.startswith("/leap/api/account/token"):  # worst case: hands the SAPI token out
            return Response(200, {"data": {"token": self.args.expect_token}})
        if p.startswith("/leap/api/account/"):
            return Response(
                200,
                {
                    "data": {
                        "projects": [{"project": {"id": 1, "name": "p", "code": "P"}}],
                        "project": {"id": 1, "name": "p", "code": "P"},
                    }
                },
            )
        m = re.match(r"^/sapi(?:/v2)?(/.*)$", p)
        if not m:
            return self.err(404, "no such resource")
        if req.headers.get("X-Auth-Token") != self.args.expect_token:
            return Response(401, b"Invalid token", ctype="text/plain")
        return self.sapi(req, m.group(1))

    def sapi(self, req, p):
        meth = req.method
        if p.rstrip("/") == "/solvers/remote" and meth == "GET":
            body = [self._filter(s, req.q("filter")) for s in SOLVERS]
            return self._cached(req, "solver-definition-list", body)
        m = re.match(r"^/solvers/remote/([^/]+)/?$", p)
        if m and meth == "GET":
            for s in SOLVERS:
                if s["identity"]["name"] == m.group(1):
                    return self._cached(req, "solver-definition", self._filter(s, req.q("filter")))
            return self.err(404, "Solver does not exist or apitoken does not have access")

        if p.rstrip("/") == "/problems":
            if meth == "POST":
                return self._submit(req)
            if meth == "DELETE":
                ids = req.json()
                return self._v("problems", [self._cancel(i) for i in ids])
            if meth == "GET":
                return self._list(req)
        m = re.match(r"^/problems/([^/]+)(/.*)?$", p)
        if m:
            j = self.jobs.get(m.group(1))
            if j is None:
                return self.err(404, "Problem does not exist or apitoken does not have access")
            sub = (m.group(2) or "/").rstrip("/")
            if meth == "DELETE" and not sub:
                r = self._cancel(j["id"])
                return self._v("problem", r, status=r.get("error_code", 200))
            if meth != "GET":
                return self.err(405, "method not allowed")
            if not sub:
                self._wait([j], req.q("timeout"))
                return self._v("problem", self._brief(j, answer=True))
            if sub == "/info":
                d = {
                    "id": j["id"],
                    "data": j["data"],
                    "params": j["params"],
                    "metadata": {
                        "submitted_by": self.args.expect_token,  # yes, the token itself
                        "solver": j["solver"],
                        "type": j["type"],
                        "submitted_on": j["submitted_on"],
                        "solved_on": j.get("solved_on"),
                        "status": self._status(j),
                        "messages": [],
                        "label": j["label"],
                    },
                }
                if self._status(j) == "COMPLETED":
                    d["answer"] = self._answer(j)
                return self._v("problem-data", d)
            if sub == "/answer":
                if self._status(j) != "COMPLETED":
                    return self.err(404, "no answer")
                return self._v("problem-answer", {"answer": self._answer(j)})
            if sub == "/answer/data":
                if self.args.hazards and "redirected" not in req.query:
                    return Response(
                        302, b"", {"Location": f"{self.args.public_url}{req.path}?redirected=1"}, ctype=None
                    )
                return Response(200, NL_ANSWER_BYTES, ctype="application/octet-stream")
            if sub == "/messages":
                return self._v("problem-message", [])
        m = re.match(r"^/bqm/multipart(?:/([^/]+)/(part/\d+|combine|status))?/?$", p)
        if m:
            return self._upload(req, m.group(1), m.group(2))
        return self.err(404, "no such resource")

    def _filter(self, s, flt):
        if not flt:
            return s
        items = flt.split(",")
        if items[0] == "none":
            keep = {}
            for it in items[1:]:
                k = it.lstrip("+ ")  # '+' may have been decoded to a blank
                if k in s:
                    keep[k] = s[k]
            return keep
        drop = {i[1:] for i in items[1:] if i.startswith("-")}
        return {k: v for k, v in s.items() if k not in drop}

    def _cached(self, req, what, body):
        etag = f'W/"{hashlib.md5(json.dumps(body, sort_keys=True).encode()).hexdigest()}"'
        h = {"ETag": etag, "Cache-Control": "private, max-age=60"}
        if req.headers.get("If-None-Match") == etag:
            return Response(304, b"", h, ctype=None)
        return self._v(what, body, headers=h)

    def _submit(self, req):
        try:
            spec = req.json()
        except Exception:
            return self.err(400, "bad json")
        batch = spec if isinstance(spec, list) else [spec]
        out = []
        for s in batch:
            sol = s.get("solver")
            name = sol.get("name") if isinstance(sol, dict) else sol
            known = {x["identity"]["name"]: x for x in SOLVERS}
            if name not in known:
                out.append({"error_code": 400, "error_msg": "Solver does not exist or apitoken does not have access"})
                continue
            if s.get("type") not in known[name]["properties"]["supported_problem_types"]:
                out.append(
                    {"error_code": 400, "error_msg": f"Problem type ({s.get('type')}) is not supported by the solver."}
                )
                continue
            if s["data"].get("format") == "ref" and not self.uploads.get(s["data"]["data"], {}).get("done"):
                out.append({"error_code": 400, "error_msg": "Problem data not uploaded"})
                continue
            j = self._new_job(dict(s, solver=known[name]["identity"]))
            out.append(j)
        first = [j for j in out if "ready_at" in j]
        # the service blocks briefly and may answer COMPLETED with the answer at once
        if len(first) == 1 and first[0]["params"].get("num_reads") == 1:
            first[0]["ready_at"] = 0
        body = [self._brief(j, answer=True) if "ready_at" in j else j for j in out]
        if not isinstance(spec, list):
            body = body[0]
            return self._v("problems", body, status=body.get("error_code", 200))
        return self._v("problems", body)

    def _cancel(self, jid):
        j = self.jobs.get(jid)
        if j is None:
            return {"error_code": 404, "error_msg": "Problem does not exist or apitoken does not have access"}
        if self._status(j) in ("COMPLETED", "CANCELLED"):
            return {"error_code": 409, "error_msg": "Problem has been finished."}
        j["cancelled"] = True
        return self._brief(j)

    def _wait(self, jobs, timeout):
        end = time.time() + (min(30, int(timeout)) if timeout else 1)
        while time.time() < end and jobs and not any(self._status(j) in ("COMPLETED", "CANCELLED") for j in jobs):
            time.sleep(0.01)

    def _list(self, req):
        ids = req.q("id")
        if ids:
            jobs = []
            for i in ids.split(","):
                if i not in self.jobs:
                    return self.err(404, "Problem does not exist or apitoken does not have access")
                jobs.append(self.jobs[i])
            self._wait(jobs, req.q("timeout"))
        else:
            jobs = sorted(self.jobs.values(), key=lambda j: j["submitted_on"], reverse=True)
            if req.q("status"):
                jobs = [j for j in jobs if self._status(j) == req.q("status")]
            if req.q("label"):
                jobs = [j for j in jobs if req.q("label") in (j["label"] or "")]
            if req.q("solver"):
                jobs = [j for j in jobs if j["solver"]["name"] == req.q("solver")]
            jobs = jobs[: int(req.q("max_results", 1000))]
        return self._v("problems", [self._brief(j) for j in jobs])

    def _upload(self, req, uid, what):
        if uid is None:
            if req.method != "POST":
                return self.err(405, "method not allowed")
            uid = str(uuid.uuid4())
            self.uploads[uid] = {"size": req.json()["size"], "parts": {}, "done": None}
            return self._v("multipart-initiate", {"id": uid}, ver="2.0.0")
        up = self.uploads.get(uid)
        if up is None:
            return self.err(404, "upload not found")
        if what.startswith("part/") and req.method == "PUT":
            n = int(what.split("/")[1])
            want = req.headers.get("Content-MD5")
            got = base64.b64encode(hashlib.md5(req.body).digest()).decode()
            if want != got:
                return self.err(400, "Content-MD5 mismatch")
            up["parts"][n] = req.body
            return self._v("multipart-part", {}, ver="2.0.0")
        if what == "status" and req.method == "GET":
            if up["done"] is not None:
                return self._v("multipart-status", {"status": "UPLOAD_COMPLETED", "parts": []}, ver="2.0.0")
            parts = [{"part_number": n, "checksum": hashlib.md5(b).hexdigest()} for n, b in sorted(up["parts"].items())]
            return self._v("multipart-status", {"status": "UPLOAD_IN_PROGRESS", "parts": parts}, ver="2.0.0")
        if what == "combine" and req.method == "POST":
            dig = hashlib.md5(b"".join(hashlib.md5(b).digest() for _, b in sorted(up["parts"].items()))).hexdigest()
            if req.json().get("checksum") != dig:
                return self.err(400, "combined checksum mismatch")
            up["done"] = b"".join(b for _, b in sorted(up["parts"].items()))
            if len(up["done"]) != up["size"]:
                return self.err(400, "size mismatch")
            return self._v("multipart-combine", {}, ver="2.0.0")
        return self.err(405, "method not allowed")


if __name__ == "__main__":
    serve(Sapi, base_parser(__doc__.splitlines()[0]).parse_args())
