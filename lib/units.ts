const DURATION_UNITS = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400, w: 604_800, y: 31_536_000 } as const;

/** Seconds of a Prometheus duration such as "1m30s"; NaN for what Prometheus would not read. */
export function durationSeconds(text: string): number {
  if (!/^(\d+y)?(\d+w)?(\d+d)?(\d+h)?(\d+m)?(\d+s)?(\d+ms)?$/.test(text) || text === "") return NaN;
  const parts = text.matchAll(/(\d+)(ms|[smhdwy])/g);
  return [...parts].reduce((sum, [, n, unit]) => sum + Number(n) * DURATION_UNITS[unit as "s"], 0);
}

/** Mebibytes of a size such as "256MB" or "256MiB", in the powers of 1024 that Prometheus and Docker mean by it; NaN otherwise. */
export const sizeMebibytes = (text: string): number =>
  /^\d+(\.\d+)?[MGT]i?B$/.test(text) ? sizeBytes(text) / 1024 ** 2 : NaN;

const SIZE_UNITS = ["", "K", "M", "G", "T", "P", "E"];

/** Bytes of a size as Prometheus reads it, such as "64MB", "1GiB500KB" or "0", in powers of 1024; NaN for other text. */
export function sizeBytes(text: string): number {
  if (text === "0") return 0;
  if (!/^(\d+(\.\d+)?([KMGTPE]i?)?B)+$/.test(text)) return NaN;
  const parts = text.matchAll(/(\d+(?:\.\d+)?)([KMGTPE]?)i?B/g);
  return [...parts].reduce((sum, [, n, unit = ""]) => sum + Number(n) * 1024 ** SIZE_UNITS.indexOf(unit), 0);
}
