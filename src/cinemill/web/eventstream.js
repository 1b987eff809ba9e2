// Server-sent events of a response to POST, which an EventSource cannot ask for.

// Yields { name, data } for each event of a response; comments are left out.
export async function* readEvents(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  while (true) {
    const { value, done } = await reader.read();
    const parts = (rest + (value ?? "")).split("\n\n");
    rest = parts.pop();
    for (const part of parts) {
      const event = parseEvent(part);
      if (event) yield event;
    }
    if (done) return;
  }
}

export function parseEvent(text) {
  const fields = text.split("\n").map((line) => /^(event|data): ?(.*)$/s.exec(line)).filter(Boolean);
  const data = fields.filter(([, field]) => field === "data").map(([, , value]) => value).join("\n");
  const name = fields.find(([, field]) => field === "event")?.[2] ?? "message";
  return data ? { name, data: JSON.parse(data) } : null;
}
