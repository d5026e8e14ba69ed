"""Every call of both generations of the original documentation, in its order, on the native API."""

from typing import Any

from checks import check, equal, step
from native import PASSWORD, Caller, accept, add_user, admin, login
from server import Server, fresh
from transcript import check_no_secret, new_secret


def people(server: Server, luna: Caller) -> None:
    """add_user, (accept), assign_admin, revoke_admin, remove_user, view_user, view_all_users."""
    organization = server.organization_id
    users = f"/organizations/{organization}/users"

    step("add user")
    ada, grace = (add_user(luna, organization, name) for name in ("ada", "grace"))
    for user in (ada, grace):
        equal((user["status"], user["roles"]), ("invited", []), "an added user")
        equal(user["organization_id"], organization, "the organization of an added user")

    step("accept the invitation")
    for user in (ada, grace):
        accept(server, user["invitation"])
        equal(luna.call(200, "GET", f"{users}/{user['id']}")["status"], "active", "a user who accepted")
    ada_luna = login(server, ada["email"], PASSWORD)
    equal(ada_luna.call(200, "GET", "/me")["email"], ada["email"], "the new user's account")
    equal(ada_luna.http.get(users).status_code, 403, "the directory for a plain member")

    step("assign admin")
    role = f"{users}/{ada['id']}/roles/admin"
    for _ in range(2):  # giving it twice is no error
        check(luna.http.put(role).is_success, "assigning the admin role")
    equal(luna.call(200, "GET", f"{users}/{ada['id']}")["roles"], ["admin"], "the roles of the new admin")
    equal(ada_luna.http.get(users).status_code, 200, "the directory for the new admin, in the same session")

    step("revoke admin")
    for _ in range(2):
        check(luna.http.delete(role).is_success, "revoking the admin role")
    equal(luna.call(200, "GET", f"{users}/{ada['id']}")["roles"], [], "the roles of the former admin")
    equal(ada_luna.http.get(users).status_code, 403, "the directory for the former admin, in the same session")

    step("remove user")
    equal(luna.http.delete(f"{users}/{ada['id']}").status_code, 204, "removing a user")
    equal(luna.http.get(f"{users}/{ada['id']}").status_code, 404, "viewing a removed user")
    equal(ada_luna.http.get("/me").status_code, 401, "the session of a removed user")
    body = {"email": ada["email"], "password": PASSWORD}
    equal(Caller(server).http.post("/sessions", json=body).status_code, 401, "the login of a removed user")

    step("view one user")
    for key in (grace["id"], grace["email"], grace["email"].upper()):
        view = luna.call(200, "GET", f"{users}/{key}")
        equal((view["id"], view["email"]), (grace["id"], grace["email"]), f"viewing {key}")
        equal((view["given_name"], view["family_name"]), ("Grace", "Käfer"), "the names of a user")
        check("invitation" not in view, "a view of a user shows an invitation")

    step("view all users")
    everyone = {user["id"]: user for user in luna.all(users, limit="2")}
    check(grace["id"] in everyone and ada["id"] not in everyone, "the list shows who is there, and only those")
    first = next(user for user in everyone.values() if user["email"] == server.email)
    check("admin" in first["roles"], "the list shows the first admin's role")

    equal(luna.http.delete(f"{users}/{grace['id']}").status_code, 204, "removing the other user")


def tokens(luna: Caller, collection: str) -> None:
    """set / create, get all, get by provider, rename by id, delete by id."""

    def create(provider: str) -> dict[str, Any]:
        body = {"name": fresh("Zürich token"), "provider": provider, "credential": {"token": new_secret()}}
        token = luna.call(201, "POST", collection, body)
        equal((token["name"], token["provider"]), (body["name"], provider), "the created token")
        return token

    step("create a token for a provider with a name")
    dwave, ibm = create("dwave"), create("ibm")

    step("set its secret again")
    replaced = luna.http.put(
        f"{collection}/{dwave['id']}/credential", json={"credential": {"token": new_secret()}}
    )
    check(replaced.is_success, f"setting a token's secret: {replaced.status_code} {replaced.text}")

    step("list all")
    listed = {token["id"]: token for token in luna.all(collection, limit="1")}
    check({dwave["id"], ibm["id"]} <= set(listed), "the list of all tokens")

    step("list by provider")
    of_ibm = list(luna.all(collection, provider="ibm"))
    check(ibm["id"] in {token["id"] for token in of_ibm}, "the list by provider misses the token")
    equal({token["provider"] for token in of_ibm}, {"ibm"}, "the providers in a list by provider")

    step("rename by id")
    name = fresh("umbenannt 量子")
    equal(luna.call(200, "PATCH", f"{collection}/{dwave['id']}", {"name": name})["name"], name, "the new name")
    equal(luna.call(200, "GET", f"{collection}/{dwave['id']}")["name"], name, "the token after renaming")

    step("delete by id")
    for token in (dwave, ibm):
        equal(luna.http.delete(f"{collection}/{token['id']}").status_code, 204, "deleting a token")
        equal(luna.http.get(f"{collection}/{token['id']}").status_code, 404, "a deleted token")


server = Server.from_arguments()
luna = admin(server)
people(server, luna)
for collection in (f"/organizations/{server.organization_id}/qpu-tokens", "/me/qpu-tokens"):
    step(collection)
    tokens(luna, collection)
check_no_secret()
