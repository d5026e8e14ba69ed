"""The served `/openapi.yaml`: a valid document in which every operation says who may call it."""

from collections import Counter

import httpx
import openapi_spec_validator
import yaml

from checks import check, equal, step
from server import Server

METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}
PROMISED = {
    *("create_session", "get_me", "accept_invitation", "create_organization", "list_audit_events"),
    *("add_user", "get_user", "list_users", "remove_user", "assign_role", "revoke_role"),
    *("create_qpu_token", "list_qpu_tokens", "update_qpu_token", "delete_qpu_token"),
}

server = Server.from_arguments()
answer = httpx.get(f"{server.base_url}/openapi.yaml")
equal(answer.status_code, 200, "GET /openapi.yaml")
document = yaml.safe_load(answer.text)

step("openapi-spec-validator")
check(document["openapi"].startswith("3.1"), f"the document speaks OpenAPI {document['openapi']}, not 3.1")
openapi_spec_validator.validate(document)

operations = {
    f"{method.upper()} {path}": operation
    for path, item in document["paths"].items()
    for method, operation in item.items()
    if method in METHODS
}
step(f"{len(operations)} operations")
missing = PROMISED - {operation.get("operationId") for operation in operations.values()}
check(not missing, f"operations that the README's tour and the generated client rely on are missing: {missing}")
for name, operation in operations.items():
    for member in ("x-permission", "operationId", "summary", "tags", "responses"):
        check(operation.get(member), f"{name} has no {member}")
    check(operation["operationId"].isidentifier(), f"{name}: {operation['operationId']} is no identifier")
twice = [name for name, count in Counter(o["operationId"] for o in operations.values()).items() if count > 1]
check(not twice, f"operationIds used twice: {twice}")

step("errors are problem documents")
for name, operation in operations.items():
    for status, response in operation["responses"].items():
        if str(status).startswith("4") and name.split(" ", 1)[1].startswith("/v1/"):
            while "$ref" in response:
                response = document["components"]["responses"][response["$ref"].rsplit("/", 1)[1]]
            equal(set(response.get("content", {})), {"application/problem+json"}, f"{name} {status}")

step("the address and the docs page")
equal(httpx.get(f"{server.base_url}/docs", follow_redirects=True).status_code, 200, "GET /docs")
