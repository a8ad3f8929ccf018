import type { Unit } from "../prometheus/queries";

/** A number with three significant digits, without superfluous zeros: 0.0123, 1.25, 312. */
const digits = (value: number): string => {
  if (Math.abs(value) >= 100) return String(Math.round(value));
  return String(Number(value.toPrecision(3)));
};

const BYTES = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** Bytes in the unit in which they have one to four digits, such as `79.6 GiB`. */
export function bytes(value: number): string {
  let scaled = value;
  let unit = 0;
  while (Math.abs(scaled) >= 1023.5 && unit < BYTES.length - 1) {
    scaled /= 1024;
    unit++;
  }
  return `${digits(unit === 0 ? Math.round(scaled) : scaled)} ${BYTES[unit] ?? ""}`;
}

/** A fraction in percent, such as `7 %`; `0.4 %` below one percent. */
export function percent(ratio: number): string {
  const value = ratio * 100;
  return `${value > 0 && value < 1 ? Number(value.toPrecision(1)) : Math.round(value)} %`;
}

/** CPU use in cores, such as `1.25`; values that round to nothing are 0. */
export const cores = (value: number): string =>
  value > 0 && value < 0.001 ? "< 0.001" : digits(Number(value.toFixed(3)));

const SPANS: [seconds: number, unit: string][] = [
  [86_400, "d"],
  [3600, "h"],
  [60, "min"],
  [1, "s"],
];

/** A length of time in its two largest units, such as `3 d 4 h`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const at = SPANS.findIndex(([span]) => whole >= span);
  if (at < 0) return "0 s";
  const [first, second] = SPANS.slice(at, at + 2);
  const [span = 1, unit = "s"] = first ?? [];
  const text = `${Math.floor(whole / span)} ${unit}`;
  const rest = second ? Math.floor((whole % span) / second[0]) : 0;
  return second && rest > 0 ? `${text} ${rest} ${second[1]}` : text;
}

/** A point in time as the reader's clock shows it. */
export const clock = (unixSeconds: number): string => new Date(unixSeconds * 1000).toLocaleTimeString();
export const dateAndTime = (unixSeconds: number): string => new Date(unixSeconds * 1000).toLocaleString();

/** A short length of time, such as `32 ms` or `1.25 s`. */
const seconds = (value: number): string =>
  value > 0 && value < 1 ? `${digits(value * 1000)} ms` : `${digits(value)} s`;

const FORMATS: Record<Unit, (value: number) => string> = {
  cores: (value) => `${cores(value)} ${value === 1 ? "core" : "cores"}`,
  bytes,
  "bytes per second": (value) => `${bytes(value)}/s`,
  "per second": (value) => `${value < 9999.5 ? digits(value) : `${digits(value / 1000)}k`}/s`,
  "per joule": (value) => `${digits(value)}/J`,
  seconds,
  ratio: percent,
  watts: (value) => `${Math.round(value)} W`,
  celsius: (value) => `${Math.round(value)} °C`,
  time: dateAndTime,
  count: (value) => String(Math.round(value)),
  state: String,
};

/** A value with its unit. */
export const format = (value: number, unit: Unit): string => FORMATS[unit](value);

/** The last 12 digits of a container's id, as Docker shows the first 12: `id` is its cgroup. */
export const shortId = (id: string): string =>
  /([0-9a-f]{64})[^/]*$/.exec(id)?.[1]?.slice(0, 12) ?? id.slice(-12);
