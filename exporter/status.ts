/** The text about a container in Docker's list of containers. Source: moby, daemon/container/state.go, String. */
export interface Status {
  /** How long ago it started or ended, in Docker's words; empty in states without such a time. */
  age: string;
  /** Of a container that runs and has a health check: starting, healthy or unhealthy. */
  health: string | undefined;
}

/** Such as "Up 2 hours (healthy)", "Up 3 seconds (health: starting)" or "Restarting (1) About a minute ago". */
const STATUS = /^(?:Up|Restarting \(-?\d+\)|Exited \(-?\d+\)) (.+?)(?: ago| \((?:health: )?(\w+)\))?$/;

const HEALTH = ["starting", "healthy", "unhealthy"];

/** Whether a word is the health of a container with a health check. */
export const isHealth = (word = ""): boolean => HEALTH.includes(word);

/** Reads the age and the health from the text about a container. */
export function parseStatus(text: string): Status {
  const [, age = "", word = ""] = STATUS.exec(text) ?? [];
  return { age, health: isHealth(word) ? word : undefined };
}

const SECONDS = {
  second: 1,
  minute: 60,
  hour: 3600,
  day: 86_400,
  week: 604_800,
  month: 2_592_000,
  year: 31_536_000,
};

/** A duration in Docker's words. Source: docker/go-units, duration.go. */
export function humanDuration(seconds: number): string {
  const minutes = Math.trunc(seconds / SECONDS.minute);
  const hours = Math.trunc(seconds / SECONDS.hour + 0.5);
  if (seconds < 1) return "Less than a second";
  if (seconds < 2) return "1 second";
  if (seconds < 60) return `${Math.trunc(seconds)} seconds`;
  if (minutes === 1) return "About a minute";
  if (minutes < 60) return `${minutes} minutes`;
  if (hours === 1) return "About an hour";
  if (hours < 48) return `${hours} hours`;
  if (hours < 24 * 7 * 2) return `${Math.trunc(hours / 24)} days`;
  if (hours < 24 * 30 * 2) return `${Math.trunc(hours / 24 / 7)} weeks`;
  if (hours < 24 * 365 * 2) return `${Math.trunc(hours / 24 / 30)} months`;
  return `${Math.trunc(seconds / SECONDS.hour / 24 / 365)} years`;
}

/** The seconds in a duration in Docker's words, about. */
export function secondsOf(duration: string): number | undefined {
  const [, count, unit] = /(\d+|an?) (second|minute|hour|day|week|month|year)s?$/.exec(duration) ?? [];
  return unit === undefined ? undefined : (Number(count) || 1) * SECONDS[unit as keyof typeof SECONDS];
}
