"""Drives qiskit-ionq and ionq-core, and cirq-ionq where IonQ is served at the root of an origin.

    python drive_ionq.py --endpoint http://HOST/PREFIX/v0.4 --token KEY --secret REAL [--isolated --foreign-job ID]

cirq-ionq throws any path of remote_host away and calls SCHEME://HOST/v0.4, so it is only driven with --root.
"""

import os
import warnings
from concurrent.futures import ThreadPoolExecutor

from driver import Checks, Raw, Tap, expect, fresh_home, parser, refusal

ap = parser(__doc__.splitlines()[0])
ap.add_argument("--root", default=None, help="origin for cirq-ionq")
args = ap.parse_args()
fresh_home()
os.environ["IONQ_API_URL"] = args.endpoint  # get_n_qubits() ignores the constructor's url
warnings.simplefilter("ignore")

tap = Tap(args, also=[args.root]).hook_requests().hook_httpx()
ck = Checks(args, "ionq")
state = {}


def qiskit_run():
    from qiskit import QuantumCircuit
    from qiskit_ionq import IonQProvider

    state["prov"] = p = IonQProvider(token=args.token, url=args.endpoint)
    be = state["be"] = p.get_backend("ionq_qpu.forte-1")
    qc = QuantumCircuit(2, name="drive")
    qc.h(0)
    qc.cx(0, 1)
    qc.measure_all()
    state["qc"] = qc
    job = be.run(qc, shots=200)
    r = job.result(wait=0.1, timeout=30)
    c = r.get_counts()
    expect(c == {"00": 100, "11": 100}, f"counts {c}")
    state["id"] = job.job_id()
    return {"id": job.job_id(), "counts": dict(c), "time_taken": r.time_taken, "qubits": be.num_qubits}


def qiskit_multi():
    job = state["be"].run([state["qc"], state["qc"]], shots=100)
    r = job.result(wait=0.1, timeout=30)
    return {"id": job.job_id(), "n": len(r.results), "children": len(job._children or [])}


def qiskit_memory():
    job = state["be"].run(state["qc"], shots=10, memory=True)
    r = job.result(wait=0.1, timeout=30)
    mem = r.get_memory()
    expect(len(mem) == 10, f"{mem}")
    return mem[:2]


def qiskit_retrieve_cancel():
    j = state["be"].retrieve_job(state["id"])
    qc = state["qc"].copy(name="hold-me")
    k = state["be"].run(qc, shots=10, name="hold-me")
    k.cancel()
    return {"status": str(j.status()), "after_cancel": str(k.status())}


def core_client():
    from ionq_core import IonQClient, iter_jobs
    from ionq_core.api.backends import get_backends
    from ionq_core.api.default import get_job, get_job_cost

    c = state["core"] = IonQClient(api_key=args.token, base_url=args.endpoint, max_retries=0)
    bs = get_backends.sync(client=c)
    j = get_job.sync(uuid=state["id"], client=c)
    cost = get_job_cost.sync(uuid=state["id"], client=c)
    jobs = list(iter_jobs(c, limit=2))
    foreign = [x.id for x in jobs if x.name == "FOREIGN"]
    expect(not (foreign and args.isolated), "someone else's job is listed")
    ck.facts["foreign_listed"] = foreign
    return {
        "backends": len(bs),
        "execution_duration_ms": j.execution_duration_ms,
        "cost": cost.cost.to_dict(),
        "listed": len(jobs),
    }


def core_whoami():
    from ionq_core.api.whoami import get_whoami

    try:
        r = get_whoami.sync_detailed(client=state["core"])
    except Exception as exc:
        expect(args.isolated, f"{type(exc).__name__}: {exc}")
        return f"refused: {type(exc).__name__}"
    if args.isolated:
        expect(r.status_code in (403, 404), f"whoami answered {r.status_code}")
    return {"status": int(r.status_code), "body": r.content.decode()[:120]}


def cirq_service():
    import cirq_ionq

    # What it drops of the address is meant to be there.
    host = args.root + "/some/ignored/path"
    return cirq_ionq.Service(remote_host=host, api_key=args.token, default_target="qpu", max_retry_seconds=2)


def cirq_run():
    """Submits, waits, reads, finds it again, and cancels another one."""
    import cirq

    q = cirq.LineQubit.range(2)
    circ = cirq.Circuit(cirq.H(q[0]), cirq.CNOT(*q), cirq.measure(*q, key="m"))
    s = cirq_service()
    job = s.create_job(circ, repetitions=50)
    r = job.results(polling_seconds=0.1, timeout_seconds=20)
    expect(r.counts() == {0: 25, 3: 25}, f"{r.counts()}")
    expect(s.get_job(job.job_id()).status() == "completed", "a job that is found again has ended")
    # cirq-ionq says how many it wants in the content of a GET.
    listed = {found.job_id() for found in s.list_jobs(limit=100)}
    expect(job.job_id() in listed, "the own job is listed")
    other = s.create_job(circ, repetitions=50, name="hold")
    other.cancel()
    expect(other.status() == "canceled", f"a cancelled job is {other.status()}")
    return {"id": job.job_id(), "counts": dict(r.counts()), "listed": len(listed)}


def cirq_others():
    """Somebody else's job is neither found nor listed, and a wrong key is told so."""
    import cirq_ionq

    s = cirq_service()
    expect(args.foreign_job, "there is a job of somebody else's to look for")
    for job in args.foreign_job:
        refusal(lambda job=job: s.get_job(job), "another member's job")
    listed = {found.job_id() for found in s.list_jobs(limit=100)}
    expect(not listed & set(args.foreign_job), f"listed {listed}")
    wrong = cirq_ionq.Service(remote_host=args.root, api_key=args.token + "x", max_retry_seconds=2)
    return refusal(lambda: wrong.list_jobs(), "a wrong key")


def isolation():
    """Somebody else's job is out of reach, by path and by body, and so is the account."""
    raw = Raw(tap, args.endpoint, {"Authorization": f"apiKey {args.token}"})
    account = "00000000-0000-0000-0000-000000001234"
    refused = [
        raw.refused("GET", path)
        for path in (f"/organizations/{account}/usage", f"/organizations/{account}", "/projects")
    ]
    for job in args.foreign_job:
        reads = ("", "/results/probabilities", "/results/shots", "/cost")
        refused += [raw.refused("GET", f"/jobs/{job}{sub}") for sub in reads]
        refused.append(raw.refused("PUT", f"/jobs/{job}/status/cancel"))
        refused.append(raw.refused("PUT", f"/jobs/{job}/move", {"project_id": account}))
        refused.append(raw.refused("POST", f"/jobs/{job}/clone", {}))
        refused.append(raw.refused("DELETE", f"/jobs/{job}"))
        refused.append(raw.refused("DELETE", "/jobs", {"ids": [state["id"], job]}))
        refused.append(raw.refused("PUT", "/jobs/status/cancel", {"ids": [job]}))
    raw.verdict()
    return refused


def clone():
    """A way to submit without the client; a broker may refuse it, or must book it."""
    status, answer = Raw(tap, args.endpoint, {"Authorization": f"apiKey {args.token}"})(
        "POST", f"/jobs/{state['id']}/clone", {}
    )
    expect(status < 500, f"clone answered {status} {answer}")
    return status


def abandoned():
    """Nobody ever asks for this one again."""
    return state["be"].run(state["qc"], shots=30).job_id()


def parallel():
    """Twenty at once, each with its own id."""
    with ThreadPoolExecutor(20) as pool:
        jobs = list(pool.map(lambda _: state["be"].run(state["qc"], shots=20), range(20)))
        list(pool.map(lambda job: job.result(wait=0.1, timeout=60), jobs))
    expect(len({job.job_id() for job in jobs}) == 20, "twenty jobs have twenty ids")
    return len(jobs)


def wrong_token():
    from qiskit_ionq import IonQProvider

    wrong = IonQProvider(token=args.token + "x", url=args.endpoint).get_backend("ionq_qpu.forte-1")
    return refusal(lambda: wrong.run(state["qc"], shots=10), "a wrong key")


for fn in (
    qiskit_run,
    qiskit_multi,
    qiskit_memory,
    qiskit_retrieve_cancel,
    core_client,
    core_whoami,
    parallel,
    abandoned,
    clone,
    wrong_token,
):
    ck.run(fn)
if args.isolated:
    ck.run(isolation)
if args.root:
    ck.run(cirq_run)
    ck.run(cirq_others)
ck.finish(tap)
