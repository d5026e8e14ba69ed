"""Drives the real qiskit-ibm-runtime: QiskitRuntimeService, SamplerV2 and, where they are let through, sessions.

    python drive_ibm.py --endpoint BASE/api/v1 --iam-url BASE/iam --search-url BASE/search --catalog-url BASE/catalog \
        --token KEY --crn CRN --secret REAL [--isolated --foreign-job ID]

Without --search-url the client's own QISKIT_FUNCTIONS_EXPERIMENTAL=1 makes it skip Global Search and the catalog.
--mode resolver passes `url_resolver=`; --mode env uses nothing but environment variables, for which the endpoint must
contain the word "experimental".
"""

import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

from driver import Checks, Raw, Tap, expect, fresh_home, parser, refusal

ap = parser(__doc__.splitlines()[0])
ap.add_argument(
    "--iam-url", default=None, help="IAM base (client appends /identity/token); omit to leave IAM unreachable"
)
ap.add_argument("--search-url", default=None)
ap.add_argument("--catalog-url", default=None)
ap.add_argument(
    "--crn",
    default="crn:v1:bluemix:public:quantum-computing:us-east:a/0123456789abcdef0123456789abcdef:11111111-2222-3333-4444-555555555555::",
)
ap.add_argument("--mode", choices=["resolver", "env"], default="resolver")
ap.add_argument("--expect-sessions-blocked", action="store_true", help="sessions are billed by the clock")
args = ap.parse_args()
fresh_home()
os.environ["IAM_URL"] = args.iam_url or "http://127.0.0.1:9"  # :9 = refused -> client falls back to `apikey` auth
if args.search_url:
    os.environ["GLOBAL_SEARCH_URL"] = args.search_url
    os.environ["GLOBAL_CATALOG_URL"] = args.catalog_url
else:
    os.environ["QISKIT_FUNCTIONS_EXPERIMENTAL"] = "1"
warnings.simplefilter("ignore")
import logging  # noqa: E402

logging.disable(logging.WARNING)

from qiskit import QuantumCircuit, transpile  # noqa: E402
from qiskit_ibm_runtime import QiskitRuntimeService, SamplerV2, Session  # noqa: E402

tap = Tap(args, also=[args.iam_url, args.search_url, args.catalog_url]).hook_requests()
ck = Checks(args, "ibm")
state = {}


def make(token=None):
    if args.mode == "env":
        os.environ.update(
            QISKIT_IBM_TOKEN=token or args.token, QISKIT_IBM_URL=args.endpoint, QISKIT_IBM_INSTANCE=args.crn
        )
        return QiskitRuntimeService()
    return QiskitRuntimeService(
        channel="ibm_quantum_platform",
        token=token or args.token,
        instance=args.crn,
        url_resolver=lambda url, inst, private, channel: args.endpoint,
    )


def service():
    s = state["svc"] = make()
    b = state["be"] = s.backend(s.backends()[0].name)
    return {"backend": b.name, "qubits": b.num_qubits, "ops": sorted(b.operation_names)}


def bell():
    qc = QuantumCircuit(2)
    qc.h(0)
    qc.cx(0, 1)
    qc.measure_all()
    return transpile(qc, state["be"], optimization_level=1, initial_layout=[0, 1])


def sampler():
    job = SamplerV2(mode=state["be"]).run([bell()], shots=64)
    counts = job.result(poll_interval=0.1)[0].data.meas.get_counts()
    expect(counts == {"00": 32, "11": 32}, f"counts {counts}")
    state["job"] = job
    return {"id": job.job_id(), "counts": counts, "status": job.status()}


def metrics():
    import time

    end = time.time() + 15
    while time.time() < end:
        m = state["job"].metrics()
        if m["usage"]["status"] != "pending":
            return m["usage"]
        time.sleep(0.1)
    raise AssertionError("usage never final")


def retrieve():
    j = state["svc"].job(state["job"].job_id())
    return {"status": j.status(), "inputs": sorted(j.inputs)}


def listing():
    js = state["svc"].jobs(limit=None)
    foreign = [j.job_id() for j in js if "FOREIGN" in (j.tags or [])]
    expect(not (foreign and args.isolated), "someone else's job is listed")
    expect(state["job"].job_id() in {j.job_id() for j in js}, "own job missing")
    ck.facts["foreign_listed"] = foreign
    return {"n": len(js), "foreign": len(foreign)}


def cancel():
    s = SamplerV2(mode=state["be"])
    s.options.environment.job_tags = ["hold"]
    job = s.run([bell()], shots=10)
    job.cancel()
    expect(job.status() == "CANCELLED", job.status())
    return job.job_id()


def session():
    if args.expect_sessions_blocked:
        return refusal(lambda: Session(backend=state["be"], max_time=60), "a session")
    with Session(backend=state["be"], max_time=60) as sess:
        r = SamplerV2(mode=sess).run([bell()], shots=10).result(poll_interval=0.1)
        return {"session": sess.session_id, "shots": r[0].data.meas.num_shots}


def usage():
    return state["svc"].usage()


def wrong_token():
    try:
        got = make(args.token + "x").backends()
    except Exception as exc:
        return f"refused: {type(exc).__name__}: {str(exc)[:120]}"
    expect(not got, "a wrong key was accepted")
    return "no backends (client swallows the 401)"


def bearer():
    """What the client itself would send: the key, exchanged."""
    form = f"grant_type=urn%3Aibm%3Aparams%3Aoauth%3Agrant-type%3Aapikey&apikey={quote(args.token)}&response_type=cloud_iam"
    status, answer = Raw(tap, args.iam_url, {"Content-Type": "application/x-www-form-urlencoded"})(
        "POST", "/identity/token", form.encode()
    )
    expect(status == 200, f"the exchange answered {status} {answer}")
    return answer["access_token"]


def isolation():
    """Somebody else's job, the account and the identity service's other routes are out of reach."""
    raw = Raw(tap, args.endpoint, {"Authorization": f"Bearer {bearer()}", "Service-CRN": args.crn})
    refused = [raw.refused("GET", path) for path in ("/users/me", "/accounts", "/instances/configuration")]
    for job in args.foreign_job:
        refused += [raw.refused("GET", f"/jobs/{job}{sub}") for sub in ("", "/results", "/metrics", "/logs")]
        refused.append(raw.refused("POST", f"/jobs/{job}/cancel"))
        refused.append(raw.refused("PUT", f"/jobs/{job}/tags", {"tags": ["taken"]}))
        refused.append(raw.refused("DELETE", f"/jobs/{job}"))
        refused.append(raw.refused("GET", f"/jobs/x%2F..%2F{job}"))
        refused.append(raw.refusing(lambda job=job: state["svc"].job(job), "reading somebody else's job"))
    for path in ("/v1/apikeys", "/v1/apikeys/details", "/identity/userinfo"):
        identity = Raw(tap, args.iam_url, raw.headers)
        refused.append(identity.refused("GET", path))
        raw.accepted += identity.accepted
    raw.verdict()
    status, me = raw("GET", "/instances/usage")
    return {"refused": len(refused), "last": refused[-1], "instances/usage": status}


def abandoned():
    """Nobody ever asks for this one again."""
    return SamplerV2(mode=state["be"]).run([bell()], shots=30).job_id()


def parallel():
    """Twenty at once, each with its own id."""
    circuit, sampler = bell(), SamplerV2(mode=state["be"])
    with ThreadPoolExecutor(20) as pool:
        jobs = list(pool.map(lambda _: sampler.run([circuit], shots=8), range(20)))
        list(pool.map(lambda job: job.result(poll_interval=0.1), jobs))
    expect(len({job.job_id() for job in jobs}) == 20, "twenty jobs have twenty ids")
    return len(jobs)


ck.run(service)
if "be" not in state:
    ck.finish(tap)
for fn in (sampler, metrics, retrieve, listing, cancel, session, usage, parallel, abandoned, wrong_token):
    ck.run(fn)
if args.isolated:
    ck.run(isolation)
ck.finish(tap)
