// The token stands in the fragment, which browsers do not send: the server sees it only in the body of this one request.
const token = new URLSearchParams(location.hash.slice(1)).get("token");
const form = document.getElementById("accept");
const outcome = document.getElementById("outcome");

if (!token) {
  form.hidden = true;
  outcome.textContent = "This link is incomplete. Open it exactly as you received it.";
}

// Another link in the same tab changes the fragment only.
addEventListener("hashchange", () => location.reload());

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  outcome.textContent = "…";
  try {
    const answer = await fetch("v1/invitations/accept", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ token, password: document.getElementById("password").value }),
    });
    const body = await answer.json();
    if (answer.ok) {
      form.hidden = true;
      outcome.textContent = `Welcome, ${body.given_name}. You can log in as ${body.email} now.`;
      history.replaceState(null, "", location.pathname);
    } else {
      const details = (body.errors ?? []).map((error) => `The ${error.pointer.slice(1)} ${error.detail}.`).join(" ");
      outcome.textContent = details || body.detail;
    }
  } catch {
    outcome.textContent = "The service cannot be reached. Try again in a moment.";
  }
});
