// Labelled ranges of time that may overlap, as spans in a row that do not.

// Takes { start, end, label } in milliseconds; each span has all labels of its time.
export function sweepLabels(ranges) {
  const changes = ranges.flatMap(({ start, end, label }) => [[start, 1, label], [end, -1, label]])
    .sort((a, b) => a[0] - b[0]);
  const active = new Map();
  const spans = [];
  let since = 0;
  for (const [ms, change, label] of changes) {
    if (ms > since && active.size) addSpan(spans, since, ms, [...active.keys()].sort().join(", "));
    since = ms;
    const left = (active.get(label) ?? 0) + change;
    if (left === 0) active.delete(label);
    else active.set(label, left);
  }
  return spans;
}

function addSpan(spans, start, end, words) {
  const last = spans.at(-1);
  if (last && last.end === start && last.words === words) last.end = end;
  else spans.push({ start, end, text: words, words });
}
