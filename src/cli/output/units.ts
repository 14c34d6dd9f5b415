/** Numbers, sizes, spans of time and instants, as people read them. */

/** `1,482`. Without `Intl.NumberFormat`, which takes longer to load than a command to run. */
export function count(value: number): string {
  const [whole = "", ...part] = String(value).split(".");
  return [whole.replace(/\B(?=(\d{3})+$)/g, ","), ...part].join(".");
}

/** `1 session`, `1,482 sessions` */
export function counted(value: number, noun: string): string {
  return `${count(value)} ${value === 1 ? noun : `${noun}s`}`;
}

const SIZES = ["kB", "MB", "GB", "TB", "PB"];

/** `512 B`, `2.1 MB`: decimal units. */
export function size(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  let value = bytes;
  let unit = "B";
  for (const next of SIZES) {
    if (value < 999.5) break;
    value /= 1000;
    unit = next;
  }
  return `${value < 9.95 ? value.toFixed(1) : Math.round(value)} ${unit}`;
}

const SPANS: readonly (readonly [unit: string, milliseconds: number])[] = [
  ["y", 365 * 86_400_000],
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["min", 60_000],
  ["s", 1000],
];

/** `3 d`, `12 min`, `450 ms`: the largest unit that fits, rounded down. */
export function span(milliseconds: number): string {
  for (const [unit, length] of SPANS) {
    if (milliseconds >= length) return `${count(Math.floor(milliseconds / length))} ${unit}`;
  }
  return `${Math.round(milliseconds)} ms`;
}

/** `3 min ago`, `in 2 h`, `now`. */
export function relativeTime(instant: Date, now: number): string {
  const distance = instant.getTime() - now;
  if (Math.abs(distance) < 1000) return "now";
  return distance < 0 ? `${span(-distance)} ago` : `in ${span(distance)}`;
}

/** Seconds with at most one digit behind the point: `12.3 s`. */
export function seconds(value: number): string {
  return `${count(Math.round(value * 10) / 10)} s`;
}
