"""Makes what the benchmark needs, through the HTTP API: members, their keys, and tokens. Prints it as JSON.

    setup.py FIRST_ADMIN_JSON CREDENTIAL
"""

import json
import sys
import urllib.request

MEMBERS = 8
TOKENS = 4
PASSWORD = "correct horse battery staple 42"


class Api:
    """The service, called as somebody."""

    def __init__(self, base_url: str, email: str, password: str):
        self.base_url, self.headers = base_url, {}
        session = self.post("/v1/sessions", {"email": email, "password": password})
        self.headers = {"Authorization": f"Bearer {session['access_token']}"}

    def post(self, path: str, body: dict) -> dict:
        """The answer, which must be a success."""
        headers = self.headers | {"Content-Type": "application/json"}
        request = urllib.request.Request(self.base_url + path, json.dumps(body).encode(), headers, method="POST")
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)


def member(admin: Api, organization: str, number: int) -> dict:
    """A new member with a key that is good for using tokens only."""
    body = {"email": f"member{number}@example.com", "given_name": "Member", "family_name": str(number)}
    added = admin.post(f"/v1/organizations/{organization}/users", body)
    admin.post("/v1/invitations/accept", {"token": added["invitation"]["token"], "password": PASSWORD})
    own = Api(admin.base_url, body["email"], PASSWORD)
    made = own.post("/v1/me/api-keys", {"name": "benchmark", "scope": "use"})
    return {"authorization": own.headers["Authorization"], "key_id": made["id"], "key": made["api_key"]}


def main(first_admin: str, credential: str) -> None:
    with open(first_admin) as file:
        first = json.load(file)
    admin = Api(first["base_url"], first["email"], first["password"])
    body = {"name": "Benchmark", "parent_id": first["organization_id"]}
    organization = admin.post("/v1/organizations", body)["id"]
    members = [member(admin, organization, number) for number in range(MEMBERS)]
    tokens = [
        admin.post(
            f"/v1/organizations/{organization}/qpu-tokens",
            {"name": f"Annealer {number}", "provider": "dwave", "credential": {"token": credential}},
        )["id"]
        for number in range(TOKENS)
    ]
    print(json.dumps({"base_url": first["base_url"], "members": members, "tokens": tokens}))


main(*sys.argv[1:])
