"""Drives scaleway-qaas-client, the client of a provider that the service knows by configuration only.

    python drive_configured.py --endpoint BASE --token KEY --secret REAL [--isolated --foreign-job ID]

It is the package's generated client, which appends /qaas/v1alpha1/… to the endpoint: the wrapper around that asks
HTTPStatus for what only Python 3.12 has, and the versions that do not are for 3.12 and newer alone.
"""

import json
import time
from concurrent.futures import ThreadPoolExecutor

from driver import Checks, Raw, Tap, expect, fresh_home, parser, refusal

args = parser(__doc__.splitlines()[0]).parse_args()
fresh_home()

from scaleway_qaas_client.quantum_as_a_service_api_client import AuthenticatedClient, models
from scaleway_qaas_client.quantum_as_a_service_api_client.api.jobs import (
    cancel_job,
    create_job,
    get_job,
    list_job_results,
)
from scaleway_qaas_client.quantum_as_a_service_api_client.api.platforms import get_platform, list_platforms
from scaleway_qaas_client.quantum_as_a_service_api_client.api.sessions import (
    create_session,
    get_session,
    terminate_session,
)

tap = Tap(args).hook_httpx()
checks = Checks(args, "configured")
raw = Raw(tap, args.endpoint, {"X-Auth-Token": args.token})
own: dict[str, str] = {}


def connect(token):
    """As the package's own wrapper makes it."""
    return AuthenticatedClient(
        base_url=args.endpoint,
        token=token,
        prefix=None,
        auth_header_name="X-Auth-Token",
        timeout=10.0,
        raise_on_unexpected_status=True,
    )


client = connect(args.token)


def platforms():
    found = list_platforms.sync(client=client).platforms
    own["platform"] = found[0].id
    expect(get_platform.sync(found[0].id, client=client).name == found[0].name, "the platform by id")
    return [platform.name for platform in found]


def session():
    body = models.CreateSessionBody(
        project_id="00000000-0000-0000-0000-000000000001",
        name="drive",
        platform_id=own["platform"],
        max_duration="600s",
        max_idle_duration="300s",
    )
    own["session"] = create_session.sync(client=client, body=body).id
    expect(get_session.sync(own["session"], client=client).id == own["session"], "the session by id")
    return own["session"]


def submit(name="drive"):
    circuit = models.CreateJobBodyCircuit(qiskit_circuit=json.dumps({"circuit": "h q[0]"}))
    body = models.CreateJobBody(name=name, session_id=own["session"], circuit=circuit)
    return create_job.sync(client=client, body=body).id


def done(job):
    deadline = time.time() + 30
    while time.time() < deadline:
        found = get_job.sync(job, client=client)
        if str(found.status) in ("completed", "cancelled", "error"):
            return found
        time.sleep(0.1)
    raise AssertionError(f"{job} never ended")


def run():
    own["job"] = submit()
    job = done(own["job"])
    results = list_job_results.sync(job.id, client=client).job_results
    [run] = json.loads(json.loads(results[0].result)["serialization"])["results"]
    expect(run["data"]["counts"] == {"0x0": 50, "0x3": 50}, f"the result {results[0].result}")
    return {"job": job.id, "duration": job.job_duration}


def cancel():
    job = submit("hold")
    cancel_job.sync(job, client=client, body=models.CancelJobBody())
    expect(str(done(job).status) == "cancelled", "not cancelled")
    return job


def parallel():
    """Twenty at once, each with its own id."""
    with ThreadPoolExecutor(20) as pool:
        jobs = list(pool.map(lambda _: submit(), range(20)))
        list(pool.map(done, jobs))
    expect(len(set(jobs)) == 20, "twenty jobs have twenty ids")
    return len(jobs)


def abandoned():
    """Nobody ever asks for this one again."""
    return submit("abandoned")


def listing():
    """An operator may leave lists out; where there is one, it has the own jobs only."""
    status, answer = raw("GET", "/qaas/v1alpha1/jobs?page_size=100")
    expect(status == 200 or args.isolated and 400 <= status < 500, f"the list answered {status}")
    foreign = [job for job in args.foreign_job if job in json.dumps(answer)]
    expect(not (foreign and args.isolated), "somebody else's job is listed")
    return {"status": status, "foreign": len(foreign)}


def end():
    return str(terminate_session.sync(own["session"], client=client, body=models.TerminateSessionBody()).status)


def wrong_key():
    return refusal(lambda: list_platforms.sync(client=connect(args.token + "x")), "a wrong key")


def isolation():
    """Somebody else's job is out of reach, and so is everything that was not declared."""
    told = [
        raw.refused("GET", path)
        for path in ("/iam/v1alpha1/api-keys", "/account/v3/projects", "/qaas/v1alpha1/../../iam/v1alpha1/api-keys")
    ]
    for job in args.foreign_job:
        told += [raw.refused("GET", f"/qaas/v1alpha1/jobs/{job}{sub}") for sub in ("", "/results", "/circuit")]
        told.append(raw.refused("POST", f"/qaas/v1alpha1/jobs/{job}/cancel", {}))
        told.append(raw.refused("DELETE", f"/qaas/v1alpha1/jobs/{job}"))
        told.append(raw.refusing(lambda job=job: get_job.sync(job, client=client), "reading somebody else's job"))
    raw.verdict()
    return told


for check in (platforms, session, run, cancel, parallel, abandoned, listing, wrong_key):
    checks.run(check)
if args.isolated:
    checks.run(isolation)
checks.run(end)
checks.finish(tap)
