"""What is run for each provider: its stand-in, where the service finds that, and how its driver is pointed at the service."""

import json
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CRN = "crn:v1:bluemix:public:quantum-computing:us-east:a/0123456789abcdef0123456789abcdef:11111111-2222-3333-4444-555555555555::"
ACCOUNT = "123456789012"


@dataclass(frozen=True)
class Suite:
    """`{fake}` is the stand-in's origin, `{use}` the token's `use_url`; a path alone is a mount of the stand-in."""

    fake: str
    """The stand-in's file."""
    driver: str
    """The driver's file."""
    configuration: dict[str, str]
    """What the service is told, below LUNA_ORGANIZATIONS_PROVIDERS__."""
    arguments: list[str]
    """What the driver is told beside the token."""
    mounts: dict[str, str]
    """Paths below `use_url` and what they are at the provider: for a run without the service."""
    neighbour: list[str]
    """The checks that a second member runs, with a job of the first as the foreign one."""
    credential: dict[str, str] = field(default_factory=lambda: {"token": "{random}"})
    """The fields of the real credential."""
    expected: str = "{token}"
    """How the stand-in is told the credential."""
    options: list[str] = field(default_factory=list)
    """Further arguments of the stand-in."""
    variants: dict[str, list[str]] = field(default_factory=dict)
    """Other ways to point the client at the service: the driver's arguments instead of the above."""
    at_root: list[str] = field(default_factory=list)
    """The checks for a client that drops the path of its address: with the token at the root of a listener of its own."""
    markers: list[str] = field(default_factory=list)
    """What else must never come back, such as access tokens that the provider made."""

    @property
    def quick(self) -> list[str]:
        """The checks for a variant: whether the client finds its way at all."""
        return [check for check in self.neighbour if check != "isolation"]


def inline(value: Any) -> str:
    """As a value is written in the environment."""
    match value:
        case dict():
            return "{" + ", ".join(f"{key}={inline(item)}" for key, item in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(inline, value)) + "]"
        case _:
            return json.dumps(value)


def declared(name: str, example: str) -> dict[str, str]:
    """A provider of config.example.toml under another name; there, `#` without a space after it is a setting."""
    lines = (Path(__file__).resolve().parents[2] / "config.example.toml").read_text(encoding="utf-8").splitlines()
    settings = "\n".join(line[1:] for line in lines if line.startswith("#") and not line.startswith("# "))
    table = tomllib.loads(settings)["providers"][example]
    return {f"{name}__{key.upper()}": inline(value) for key, value in table.items()}


SUITES = {
    "dwave": Suite(
        fake="fake_dwave.py",
        driver="drive_dwave.py",
        configuration={"DWAVE__BASE_URL": "{fake}/sapi/v2", "DWAVE__METADATA_URL": "{fake}/metadata/v1"},
        arguments=["--endpoint", "{use}/sapi/v2", "--metadata-endpoint", "{use}/metadata/v1"],
        mounts={"/sapi": "/sapi", "/metadata": "/metadata"},
        neighbour=["solvers", "qubo", "listing", "isolation"],
    ),
    "ibm": Suite(
        fake="fake_ibm.py",
        driver="drive_ibm.py",
        configuration={
            "IBM__BASE_URL": "{fake}/api/v1",
            "IBM__IAM_URL": "{fake}",
            "IBM__SEARCH_URL": "{fake}",
            "IBM__CATALOG_URL": "{fake}/globalcatalog/api/v1",
        },
        arguments=[
            *("--endpoint", "{use}/api/v1", "--iam-url", "{use}/iam"),
            *("--search-url", "{use}/search", "--catalog-url", "{use}/catalog", "--crn", CRN),
        ],
        mounts={
            "/api": "/api",
            "/experimental/api": "/api",
            "/iam": "",
            "/search": "",
            "/catalog": "/globalcatalog/api/v1",
        },
        neighbour=["service", "sampler", "listing", "isolation"],
        variants={
            "environment": [
                *("--mode", "env", "--endpoint", "{use}/experimental/api/v1", "--iam-url", "{use}/iam", "--crn", CRN),
            ],
        },
        options=["--crn", CRN],
        markers=["REALIAMSIG", "IBMid-REALUSER"],
    ),
    "ionq": Suite(
        fake="fake_ionq.py",
        driver="drive_ionq.py",
        configuration={"IONQ__BASE_URL": "{fake}/v0.4"},
        arguments=["--endpoint", "{use}/v0.4"],
        mounts={"": ""},
        neighbour=["qiskit_run", "core_client", "isolation"],
        at_root=["cirq_run", "cirq_others"],
    ),
    "aws": Suite(
        fake="fake_braket.py",
        driver="drive_braket.py",
        configuration={
            "AWS__BRAKET_URL": "{fake}",
            "AWS__S3_URL": "{fake}",
            "AWS__STS_URL": "{fake}",
            "AWS__RESULTS_BUCKET": f"amazon-braket-us-east-1-{ACCOUNT}",
        },
        arguments=[
            *("--endpoint", "{use}/braket", "--s3-url", "{use}/s3", "--sts-url", "{use}/sts"),
            *("--account", ACCOUNT),
        ],
        mounts={"/braket": "", "/s3": "", "/sts": ""},
        neighbour=["run", "search", "isolation"],
        variants={
            "braket-endpoint": [
                *("--through", "BRAKET_ENDPOINT", "--endpoint", "{use}/braket"),
                *("--s3-url", "{use}/s3", "--sts-url", "{use}/sts", "--account", ACCOUNT),
            ],
        },
        credential={"access_key_id": "AKIA{random}", "secret_access_key": "{random}/+{random}"},
        expected="{access_key_id}:{secret_access_key}",
        options=["--account", ACCOUNT],
        markers=["PRIVATE-"],
    ),
    "fujitsu": Suite(
        fake="fake_fujitsu.py",
        driver="drive_fujitsu.py",
        configuration={"FUJITSU__BASE_URL": "{fake}"},
        arguments=["--endpoint", "{use}/da"],
        mounts={"/da": ""},
        neighbour=["health", "listing", "isolation"],
    ),
    # Declared as config.example.toml declares Scaleway.
    "configured": Suite(
        fake="fake_configured.py",
        driver="drive_configured.py",
        configuration=declared("CONFIGURED", "scaleway") | {"CONFIGURED__BASE_URL": "{fake}"},
        arguments=["--endpoint", "{use}"],
        mounts={"": ""},
        neighbour=["platforms", "session", "run", "listing", "isolation"],
    ),
}
