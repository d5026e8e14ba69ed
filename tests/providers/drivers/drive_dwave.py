"""Drives the real dwave-cloud-client (and dwave-system where it is installed).

    python drive_dwave.py --endpoint http://HOST/PREFIX/sapi/v2 --token KEY --secret REAL [--isolated --foreign-job ID]

The endpoint is what a user would set as DWAVE_API_ENDPOINT or `endpoint=`.
"""

import json
import os

from driver import Checks, Raw, Tap, expect, fresh_home, parser

ap = parser(__doc__.splitlines()[0])
ap.add_argument("--metadata-endpoint", default=None, help="also try region selection through this metadata API base")
ap.add_argument("--leap-endpoint", default=None, help="also try the Leap account API (must be refused by a broker)")
args = ap.parse_args()
fresh_home()

from dwave.cloud import Client, api  # noqa: E402

tap = Tap(args, also=[args.metadata_endpoint, args.leap_endpoint]).hook_requests()
ck = Checks(args, "dwave")
common = dict(
    config_file=False,
    endpoint=args.endpoint,
    token=args.token,
    cache_enabled=False,
    http_retry_total=2,
    polling_timeout=60,
)

client = Client.from_config(client="base", **common)
state = {}


def solvers():
    got = {s.name: type(s).__name__ for s in client.get_solvers()}
    state["qpu"] = client.get_solver(qpu=True)
    expect(state["qpu"].qpu and state["qpu"].online, "no online qpu")
    return got


def qubo():
    s = state["qpu"]
    Q = {(0, 0): -1.0, (4, 4): -1.0, (0, 4): 2.0, (1, 5): -1.0}
    f = s.sample_qubo(Q, num_reads=100, label="drive-qubo")
    e = list(f.energies)
    expect(abs(e[0] - (-2.0)) < 1e-9, f"energies {e}")
    for smp, en in zip(f.samples, e, strict=True):
        calc = sum(v * smp[a] * smp[b] for (a, b), v in Q.items())
        expect(abs(calc - en) < 1e-9, f"decoded sample {smp} has energy {calc}, answer says {en}")
    t = f.timing["qpu_access_time"]
    expect(t > 0 and sum(f.num_occurrences) == 100, "timing/occurrences")
    state["jobs"] = {f.id: t}
    state["qubo_id"] = f.id
    return {"id": f.id, "energies": e, "qpu_access_time_us": t}


def ising_batch():
    fs = [
        state["qpu"].sample_ising({0: i * 0.1, 4: -0.3}, {(0, 4): -1}, num_reads=10 + i, label=f"drive-ising-{i}")
        for i in range(12)
    ]
    for f in fs:
        f.result()
    for f in fs:
        state["jobs"][f.id] = f.timing["qpu_access_time"]
    expect(len({f.id for f in fs}) == 12, "distinct ids")
    return {"n": len(fs), "sum_us": round(sum(state["jobs"].values()), 2)}


def complete_on_submit():
    f = state["qpu"].sample_ising({0: 1.0}, {}, num_reads=1)
    f.result()
    state["jobs"][f.id] = f.timing["qpu_access_time"]
    return f.id


def retrieve():
    f = client.retrieve_answer(state["qubo_id"])
    expect(abs(list(f.energies)[0] + 2) < 1e-9, "energies")
    expect(f.timing["qpu_access_time"] == state["jobs"][state["qubo_id"]], "timing differs on re-read")
    return f.id


def cancel():
    f = state["qpu"].sample_ising({0: 1.0}, {}, num_reads=5, annealing_time=2000.0, label="drive-cancel")
    f.wait_id(10)
    f.cancel()
    from dwave.cloud.exceptions import CanceledFutureError

    try:
        f.result()
    except CanceledFutureError:
        return f.id
    raise AssertionError("not cancelled")


def resources():
    with api.Problems.from_config(client.config) as p:
        st = p.get_problem_status(state["qubo_id"])
        info = p.get_problem_info(state["qubo_id"])
        ans = p.get_problem_answer(state["qubo_id"])
        p.get_problem_messages(state["qubo_id"])
        expect(ans.timing["qpu_access_time"] == state["jobs"][state["qubo_id"]], "answer timing")
        ck.facts["submitted_by"] = info.metadata.submitted_by
        expect(args.allow_leak or info.metadata.submitted_by not in args.secret, "submitted_by carries the real token")
        # single (non-batched) submit and cancel through the low-level resource
        job = api.models.ProblemJob.from_info(info)
        r = p.submit_problem(job)
        expect(hasattr(r, "id"), f"submit_problem -> {r}")
        state["single_id"] = r.id
        return {"status": st.status.value, "submitted_by": info.metadata.submitted_by, "single": r.id}


def listing():
    with api.Problems.from_config(client.config) as p:
        rows = p.list_problems(max_results=1000)
        foreign = [r.id for r in rows if (r.label or "").startswith("FOREIGN")]
        ck.facts["foreign_listed"] = foreign
        expect(not (foreign and args.isolated), "someone else's job is listed")
        mine = {r.id for r in rows}
        expect(state["qubo_id"] in mine, "own job missing from list")
        return {"rows": len(rows), "foreign": len(foreign)}


def hybrid_bqm():
    import dimod

    s = client.get_solver(supported_problem_types__contains="bqm")
    bqm = dimod.BinaryQuadraticModel({"a": 1.0, "b": -2.0}, {("a", "b"): 3.0}, 0.5, "BINARY")
    f = s.sample_bqm(bqm, time_limit=3)
    ss = f.sampleset
    expect(abs(ss.first.energy - (-1.5)) < 1e-9 and dict(ss.first.sample) == {"a": 0, "b": 1}, f"{ss.first}")
    return {"id": f.id, "charge_time": ss.info["charge_time"], "qpu_access_time": ss.info["qpu_access_time"]}


def hybrid_nl_binary_ref():
    from dwave.optimization import Model

    s = client.get_solver(supported_problem_types__contains="nl")
    m = Model()
    x = m.binary(3)
    m.minimize(x.sum())
    m.lock()
    f = s.sample_nlm(m, time_limit=1)
    data = f.answer_data.read() if not callable(f.answer_data) else f.answer_data().read()
    expect(data.startswith(b"FAKE-NL-ANSWER"), f"answer data {data[:40]!r}")
    return {"id": f.id, "bytes": len(data), "timing": dict(f.timing)}


def multipart_big():
    blob = os.urandom(11 * 1024 * 1024)
    uid = client.upload_problem_encoded(blob).result()
    return uid


def embedding_composite():
    from dwave.system import DWaveSampler, EmbeddingComposite

    with DWaveSampler(
        config_file=False, endpoint=args.endpoint, token=args.token, cache_enabled=False, solver=dict(qpu=True)
    ) as q:
        ss = EmbeddingComposite(q).sample_qubo({("x", "x"): -1, ("x", "y"): 2, ("y", "y"): -1}, num_reads=20)
        expect(abs(ss.first.energy + 1) < 1e-9, str(ss.first))
        return {"energy": float(ss.first.energy), "qpu_access_time": ss.info["timing"]["qpu_access_time"]}


def env_config():
    env = {"DWAVE_API_ENDPOINT": args.endpoint, "DWAVE_API_TOKEN": args.token}
    os.environ.update(env)
    try:
        with Client.from_config(config_file=False, client="qpu") as c:
            return c.get_solver().name
    finally:
        for k in env:
            os.environ.pop(k)


def with_disk_cache():
    names = []
    for _ in range(2):
        with Client.from_config(**dict(common, cache_enabled=True, client="qpu")) as c:
            names.append(c.get_solver().name)
            names.append(c.get_solver(refresh=True).name)
    return names


def wrong_token():
    from dwave.cloud.exceptions import SolverAuthenticationError

    with Client.from_config(**dict(common, token=args.token + "x")) as c:
        try:
            c.get_solvers()
        except SolverAuthenticationError:
            return "401 -> SolverAuthenticationError"
    raise AssertionError("a wrong key was accepted")


def isolation():
    """Somebody else's job can be neither read, nor cancelled, alone or beside an own one."""
    raw = Raw(tap, args.endpoint, {"X-Auth-Token": args.token})
    refused = []
    for job in args.foreign_job:
        for path in ("/", "/info", "/answer", "/messages", "/answer/data/"):
            refused.append(raw.refused("GET", f"/problems/{job}{path}"))
        refused.append(raw.refused("GET", f"/problems/{job.replace('-', '%2D')}/"))
        refused.append(raw.refused("GET", f"/problems/%2e%2e/problems/{job}/"))
        refused.append(raw.refused("DELETE", f"/problems/{job}/"))
        for ids in (job, f"{state['qubo_id']},{job}"):
            status, rows = raw("GET", f"/problems/?id={ids}&timeout=0")
            if status < 400 and job in json.dumps(rows):
                raw.accepted.append(f"GET problems/?id= gave {status} {rows}")
        status, rows = raw("DELETE", "/problems/", [job])
        if status < 400 and not all("error_code" in row for row in rows):
            raw.accepted.append(f"DELETE problems/ gave {status} {rows}")
        with api.Problems.from_config(client.config) as problems:
            refused.append(raw.refusing(lambda job=job: problems.get_problem(job), "reading somebody else's problem"))
    raw.verdict()
    return refused


def regions():
    with Client.from_config(
        config_file=False,
        token=args.token,
        region="eu-central-1",
        metadata_api_endpoint=args.metadata_endpoint,
        cache_enabled=False,
        client="qpu",
    ) as c:
        ck.facts["region_endpoint"] = c.config.endpoint
        ck.facts["region_leap_endpoint"] = c.config.leap_api_endpoint
        return {"endpoint": c.config.endpoint, "leap": c.config.leap_api_endpoint, "solver": c.get_solver().name}


def leap_token():
    from dwave.cloud.api import LeapAccount

    with LeapAccount(endpoint=args.leap_endpoint, token=args.token) as a:
        try:
            tok = a.get_project_token(project_id=1)
        except Exception as exc:
            return f"refused: {type(exc).__name__}"
        expect(tok not in args.secret or args.allow_leak, "Leap API handed the real SAPI token out")
        return f"got {tok}"


ck.run(solvers)
if "qpu" not in state:
    ck.finish(tap)
for fn in (
    qubo,
    ising_batch,
    complete_on_submit,
    retrieve,
    cancel,
    resources,
    listing,
    hybrid_bqm,
    hybrid_nl_binary_ref,
    multipart_big,
    embedding_composite,
    env_config,
    with_disk_cache,
    wrong_token,
):
    ck.run(fn)
if args.metadata_endpoint:
    ck.run(regions)
if args.leap_endpoint:
    ck.run(leap_token)
if args.foreign_job and args.isolated:
    ck.run(isolation)
ck.facts["jobs_us"] = state.get("jobs")
ck.finish(tap)
