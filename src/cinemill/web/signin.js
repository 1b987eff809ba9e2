// After a click on another site's link, the browser does not send the SameSite=Strict cookie that was
// just set. It does send it with requests from this page, so check and reload.

const address = new URL(location.href);
const form = document.getElementById("sign-in");

// The form replaces the query of this page's address, so it must hold what the page was asked with.
for (const [name, value] of address.searchParams) {
  if (name === "token") continue;
  form.append(Object.assign(document.createElement("input"), { type: "hidden", name, value }));
}

if (address.searchParams.has("token")) {
  // The token was wrong. Remove it from the history as well.
  document.getElementById("wrong").hidden = false;
  address.searchParams.delete("token");
  history.replaceState(null, "", address);
} else {
  const { ok } = await fetch(new URL("../api/v1/jobs?limit=1", import.meta.url));
  if (ok) location.reload();
}
