// Readable sizes, times and languages.

const UNITS = ["bytes", "kB", "MB", "GB", "TB"];

export function formatBytes(bytes) {
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}

export function formatSeconds(seconds) {
  const whole = Math.max(1, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

// A time left is an estimate: no zero seconds, which would look exact.
export function formatTimeLeft(seconds) {
  return formatSeconds(seconds).replace(/ 0 (s|min)$/, "");
}

export function formatClock(seconds) {
  const whole = Number.isFinite(seconds) ? Math.floor(seconds) : 0;
  const parts = [Math.floor(whole / 60) % 60, whole % 60].map((part) => String(part).padStart(2, "0"));
  const hours = Math.floor(whole / 3600);
  return hours ? `${hours}:${parts.join(":")}` : parts.join(":").replace(/^0/, "");
}

export function formatWhen(iso) {
  const seconds = (Date.now() - Date.parse(iso)) / 1000;
  if (seconds < 60) return "just now";
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return new Date(iso).toLocaleDateString(undefined, { day: "numeric", month: "short", year: "numeric" });
}

export function formatRate(fraction) {
  // "30000/1001" → "29.97"; an average of 0 means that the rate is unknown.
  const [over, under = "1"] = String(fraction).split("/");
  const value = Number(over) / Number(under);
  return value > 0 ? `${Number(value.toFixed(2))}` : "unknown";
}

// "en" → "English"; unknown codes are returned unchanged.
export function nameLanguage(code) {
  if (!code || code === "und") return "Unknown language";
  try {
    return new Intl.DisplayNames(["en"], { type: "language" }).of(code) ?? code;
  } catch {
    return code;
  }
}

// 61250 → "1:01.250", the format of caption times.
export function formatMoment(milliseconds) {
  const fraction = String(milliseconds % 1000).padStart(3, "0");
  return `${formatClock(Math.floor(milliseconds / 1000))}.${fraction}`;
}

const MOMENT = /^(?:(\d{1,3}):)?(\d{1,3}):(\d{1,2})(?:[.,](\d{1,3}))?$/;

// Parses "1:5", "0:01:05.25" or "1:05,250"; returns null for anything else.
export function parseMoment(text) {
  const found = MOMENT.exec(text.trim());
  if (!found || Number(found[3]) > 59) return null;
  const [hours, minutes, seconds] = [found[1] ?? 0, found[2], found[3]].map(Number);
  return ((hours * 60 + minutes) * 60 + seconds) * 1000 + Number((found[4] ?? "").padEnd(3, "0"));
}

// Rounded up to what an estimate can mean, so that it does not change with every look.
export function roundTimeLeft(seconds) {
  const unit = [[10, 1], [60, 5], [300, 15], [3600, 60]].find(([most]) => seconds < most)?.[1] ?? 300;
  return Math.ceil(seconds / unit) * unit;
}
