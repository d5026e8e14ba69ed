"""A client generated from the served `/openapi.yaml`, and a real day with it.

The names of its modules come from the document's tags and operationIds. The names of its models are the
document's own affair: a body is built by whatever model the generated function asks for.
"""

import contextlib
import importlib
import inspect
import os
import subprocess
import sys
import tempfile
import typing
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID

import httpx

from checks import check, equal, refused, step
from native import PASSWORD, link_token
from server import Server, fresh, fresh_email
from transcript import check_no_secret, new_secret

PACKAGE = "luna_organizations_client"


def generate(server: Server, folder: Path) -> None:
    """Runs the generator; a warning from it is a failure, since it would leave an operation out."""
    document = folder / "openapi.yaml"
    document.write_bytes(httpx.get(f"{server.base_url}/openapi.yaml").raise_for_status().content)
    config = folder / "config.yaml"
    config.write_text(f"package_name_override: {PACKAGE}\n", encoding="utf-8")
    tools = Path(sys.executable).parent  # where `ruff` is, which formats the generated code
    command = [
        str(tools / "openapi-python-client"),
        "generate",
        *("--path", str(document), "--config", str(config)),
        *("--meta", "none", "--output-path", str(folder / PACKAGE), "--fail-on-warning"),
    ]
    # Or it leaves a cache beside the folder, where somebody else may not write afterwards.
    environment = os.environ | {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", "RUFF_NO_CACHE": "true"}
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    check(run.returncode == 0, f"the generator is not content:\n{run.stdout}{run.stderr}")
    check("warning" not in (run.stdout + run.stderr).lower(), f"the generator warns:\n{run.stdout}{run.stderr}")
    compiled = subprocess.run([sys.executable, "-m", "compileall", "-q", str(folder / PACKAGE)])
    equal(compiled.returncode, 0, "compiling the generated client")


def fit(hint: Any, value: str) -> Any:
    """`value` as the type that the generated function asks for: an id, a member of an enumeration, or text."""
    for kind in (hint, *typing.get_args(hint)):
        if kind is UUID or (inspect.isclass(kind) and issubclass(kind, Enum)):
            return kind(value)
    return value


class Client:
    """The generated package, with or without a credential."""

    def __init__(self, server: Server, token: str | None = None):
        package: ModuleType = importlib.import_module(PACKAGE)
        options = {"base_url": server.base_url, "raise_on_unexpected_status": True}
        self.client = (
            package.AuthenticatedClient(token=token, **options) if token else package.Client(**options)
        )

    def __call__(self, operation: str, *path: str, body: dict[str, Any] | None = None, **query: Any) -> Any:
        """`client("users/add_user", organization, body={...})`: the parsed answer, which must be a 2xx."""
        tag, name = operation.split("/")
        function = importlib.import_module(f"{PACKAGE}.api.{tag}.{name}").sync_detailed
        hints = typing.get_type_hints(function)
        positional = [
            key
            for key, parameter in inspect.signature(function).parameters.items()
            if parameter.kind is parameter.POSITIONAL_OR_KEYWORD
        ]
        equal(len(positional), len(path), f"the path parameters {positional} of {operation}")
        arguments = [fit(hints[key], value) for key, value in zip(positional, path)]
        query = {key: fit(hints[key], value) for key, value in query.items()}
        if body is not None:
            query["body"] = hints["body"].from_dict(body)
        response = function(*arguments, client=self.client, **query)
        equal(response.status_code.value // 100, 2, f"{operation}: {response.content.decode()}")
        return response.parsed


def day(server: Server) -> None:
    """Log in, create a sub-organization, add a user, accept, assign admin, revoke it, and a token's life."""
    step("log in")
    body = {"email": server.email, "password": server.password}
    session = Client(server)("sessions/create_session", body=body)
    luna = Client(server, session.access_token)
    equal(luna("me/get_me").email, server.email, "who is logged in")

    step("create a sub-organization")
    name = fresh("Zürich lab")
    lab = luna("organizations/create_organization", body={"name": name, "parent_id": server.organization_id})
    equal(lab.name, name, "the name of the new organization")
    organization = str(lab.id)

    step("add a user")
    person = {"email": fresh_email("ada"), "given_name": "Ada", "family_name": "Käfer"}
    added = luna("users/add_user", organization, body=person)
    user = str(added.id)
    equal(added.email, person["email"], "the new user")

    step("accept")
    invitation = added.invitation.to_dict()
    token = invitation.get("token") or link_token(invitation["link"])
    Client(server)("invitations/accept_invitation", body={"token": token, "password": PASSWORD})

    step("assign admin, revoke it")
    luna("roles/assign_role", organization, user, "admin")
    equal(luna("users/get_user", organization, user).roles, ["admin"], "the roles after assigning")
    luna("roles/revoke_role", organization, user, "admin")
    equal(luna("users/get_user", organization, user).roles, [], "the roles after revoking")
    listed = [str(item.id) for item in luna("users/list_users", organization).items]
    check(user in listed, "the list of users")

    step("store a D-Wave token, list, rename, remove")
    body = {"name": fresh("annealer"), "provider": "dwave", "credential": {"token": new_secret()}}
    stored = str(luna("qpu_tokens/create_qpu_token", organization, body=body).id)
    found = luna("qpu_tokens/list_qpu_tokens", organization, provider="dwave").items
    equal([str(item.id) for item in found], [stored], "the D-Wave tokens")
    renamed = luna("qpu_tokens/update_qpu_token", organization, stored, body={"name": "Käfer 量子"})
    equal(renamed.name, "Käfer 量子", "the renamed token")
    luna("qpu_tokens/delete_qpu_token", organization, stored)
    equal(luna("qpu_tokens/list_qpu_tokens", organization).items, [], "the tokens after deleting")

    step("remove the user")
    luna("users/remove_user", organization, user)
    refused("a removed user", AssertionError, lambda: luna("users/get_user", organization, user))


server = Server.from_arguments()
with contextlib.ExitStack() as stack:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    step("generate")
    generate(server, folder)
    sys.path.insert(0, str(folder))
    day(server)
check_no_secret()
