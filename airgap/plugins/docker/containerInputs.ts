import { atLeast, matching } from "../check";
import type { Input, ResourceType } from "../resourceType";
import { isUnknown } from "../values";
import type { Label } from "./engine";

/** The inputs of a container, as the official plugin names them, with what it adds. */
export interface ContainerInputs {
  name: string;
  image: string;
  entrypoints?: string[];
  command?: string[];
  user?: string;
  groupAdds?: string[];
  envs?: string[];
  labels?: Label[];
  restart: string;
  mustRun?: boolean;
  readOnly?: boolean;
  capabilities?: { adds?: string[]; drops?: string[] };
  securityOpts?: string[];
  /** In MiB, as is memorySwap; -1 there is no limit. */
  memory?: number;
  memorySwap?: number;
  cpus?: string;
  logDriver?: string;
  logOpts?: Record<string, string>;
  healthcheck?: Healthcheck;
  ports?: { internal: number; external?: number; ip: string; protocol: string }[];
  volumes?: { containerPath: string; hostPath?: string; volumeName?: string; readOnly?: boolean }[];
  runtime?: string;
  deviceRequests?: { driver: string; deviceIds?: string[]; capabilities?: string[]; count: number }[];
  pidMode?: string;
  cgroupnsMode?: string;
  devices?: { hostPath: string; containerPath?: string; permissions: string }[];
  networksAdvanced?: { name: string; aliases?: string[] }[];
  destroyGraceSeconds?: number;
}

/** Times are Go durations, such as "1m30s". */
export interface Healthcheck {
  tests: string[];
  interval: string;
  timeout: string;
  retries?: number;
  startPeriod: string;
}

const update: Input = { on: "update" };
const replace: Input = { on: "replace" };
const computed: Input = { on: "replace", computed: true };
const items = (...keys: string[]): Input => ({ on: "replace", keys, set: true });

/** What a changed input does: as the schema of docker_container says, terraform-provider-docker 4.5. */
export const inputs: ResourceType["inputs"] = {
  name: replace,
  image: replace,
  entrypoints: computed,
  command: computed,
  user: computed,
  groupAdds: { on: "replace", set: true },
  envs: { ...computed, set: true },
  labels: { ...items("label", "value"), computed: true },
  restart: { ...update, refuse: matching(/^(no|on-failure|always|unless-stopped)$/) },
  mustRun: update,
  readOnly: replace,
  capabilities: items("adds", "drops"),
  securityOpts: { ...computed, set: true },
  memory: { ...update, refuse: atLeast(0) },
  memorySwap: { ...update, refuse: atLeast(-1) },
  cpus: replace,
  logDriver: computed,
  logOpts: replace,
  healthcheck: {
    on: "update",
    keys: ["tests", "interval", "timeout", "retries", "startPeriod"],
    added: { interval: "0s", timeout: "0s", startPeriod: "0s", startInterval: "0s" },
    computed: true,
    refuse: wrongHealthcheck,
  },
  ports: { ...items("internal", "external", "ip", "protocol"), added: { ip: "0.0.0.0", protocol: "tcp" } },
  volumes: { ...items("containerPath", "hostPath", "volumeName", "readOnly"), refuse: relativePath },
  devices: { ...items("hostPath", "containerPath", "permissions"), added: { permissions: "rwm" } },
  runtime: computed,
  deviceRequests: {
    ...items("driver", "deviceIds", "capabilities", "count"),
    added: { driver: "cdi", count: 0 },
  },
  pidMode: replace,
  cgroupnsMode: replace,
  networksAdvanced: items("name", "aliases"),
  destroyGraceSeconds: update,
};

const UNITS = { h: 3600e9, m: 60e9, s: 1e9, ms: 1e6, us: 1e3, ns: 1 } as const;
const DURATION = /^([\d.]+(h|ms|m|s|us|ns))+$/;

/** Nanoseconds of a Go duration such as "1m30s" or "500ms". */
export function nanoseconds(duration: string): number {
  return [...duration.matchAll(/([\d.]+)(h|ms|m|s|us|ns)/g)].reduce(
    (sum, [, amount, unit]) => sum + Number(amount) * UNITS[unit as keyof typeof UNITS],
    0,
  );
}

/** A number of nanoseconds as Go writes a duration: "1m30s", "500ms". */
export function goDuration(nanos = 0): string {
  if (nanos < UNITS.s) return nanos === 0 ? "0s" : `${nanos / UNITS.ms}ms`;
  const hours = Math.floor(nanos / UNITS.h);
  const minutes = Math.floor((nanos % UNITS.h) / UNITS.m);
  const seconds = `${(nanos % UNITS.m) / UNITS.s}s`;
  if (hours > 0) return `${hours}h${minutes}m${seconds}`;
  return minutes > 0 ? `${minutes}m${seconds}` : seconds;
}

function wrongHealthcheck(value: unknown): string | undefined {
  const health = value as Partial<Healthcheck>;
  const wrong = (["interval", "timeout", "startPeriod"] as const).find(
    (key) => health[key] !== undefined && !isUnknown(health[key]) && !DURATION.test(health[key]),
  );
  return wrong === undefined
    ? atLeast(0)(health.retries ?? 0)
    : `'${health[wrong] ?? ""}' is not a valid duration`;
}

function relativePath(value: unknown): string | undefined {
  const wrong = (value as ContainerInputs["volumes"])?.find(
    ({ hostPath }) => hostPath !== undefined && !isUnknown(hostPath) && !hostPath.startsWith("/"),
  );
  return wrong && `'${String(wrong.hostPath)}' must be an absolute path`;
}
