// The public API, as any script could call it.

export class Problem extends Error {
  constructor(document) {
    super(document.detail);
    this.code = document.code;
    this.wayOn = document.way_on ?? "";
    this.logTail = document.log_tail ?? "";
    this.status = document.status;
    // Whether the same, asked once more, may go right.
    this.isRetryable = document.retryable ?? true;
  }
}

export const LOST = {
  code: "connection_lost",
  detail: "The connection to Cinemill was lost.",
  way_on: "Check that it is running, then try again.",
  status: 0,
};

// Request Timeout and Too Many Requests: of the refusals, these pass by themselves.
const PASSING = new Set([408, 429]);

export function problemFrom(status, body) {
  try {
    const document = JSON.parse(body);
    if (document.code) return new Problem(document);
  } catch { /* Not one of our answers: a proxy's, perhaps. */ }
  return new Problem({
    ...LOST,
    code: `http_${status}`,
    detail: `The server answered ${status}.`,
    status,
    retryable: status >= 500 || PASSING.has(status),
  });
}

async function call(method, address, body) {
  let response;
  try {
    response = await fetch(address, {
      method,
      headers: body ? { "Content-Type": "application/json" } : {},
      body: body ? JSON.stringify(body) : undefined,
    });
  } catch {
    throw new Problem(LOST);
  }
  const text = await response.text();
  if (!response.ok) throw problemFrom(response.status, text);
  return JSON.parse(text);
}

const at = encodeURIComponent;

export const getStatus = (id) => call("GET", `/jobs/${at(id)}/status`);
export const listJobs = (before = "") =>
  call("GET", `/jobs?limit=20${before ? `&before=${at(before)}` : ""}`);
export const cancelJob = (id, reason) => call("POST", `/jobs/${at(id)}/cancel`, { reason });
export const retryJob = (id) => call("POST", `/jobs/${at(id)}/retry`);
export const getAsset = (id) => call("GET", `/assets/${at(id)}`);
export const eventsAddress = (id) => `/jobs/${at(id)}/events`;
