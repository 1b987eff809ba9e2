// After a click on another site's link, the browser does not send the SameSite=Strict cookie that was
// just set. It does send it with requests from this page, so check and reload.

const address = new URL(location.href);

if (address.searchParams.has("token")) {
  // The token was wrong. Remove it from the history as well.
  document.getElementById("wrong").hidden = false;
  address.searchParams.delete("token");
  history.replaceState(null, "", address);
} else {
  const { ok } = await fetch("/api/v1/jobs?limit=1");
  if (ok) location.reload();
}

// The form leads to this page's address with a query of its own: keep the rest of the one it has.
const form = document.getElementById("sign-in");
for (const [name, value] of address.searchParams) {
  form.append(Object.assign(document.createElement("input"), { type: "hidden", name, value }));
}
