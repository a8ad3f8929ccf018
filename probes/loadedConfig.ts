import { isDeepStrictEqual } from "node:util";
import { load } from "js-yaml";
import { durationSeconds, sizeMebibytes } from "../lib/units";
import { get } from "../host/http";
import { Mismatch } from "../lib/retry";

/**
 * Asks Prometheus whether the configuration that it runs with is the declared one.
 *
 * @returns how many scrape jobs there are
 * @throws Mismatch with the first difference
 */
export async function requireLoaded(prometheus: string, declared: string): Promise<string> {
  const { body } = await get(`${prometheus}/api/v1/status/config`);
  const { yaml } = (JSON.parse(body) as { data: { yaml: string } }).data;
  const difference = firstDifference(load(declared), load(yaml), "prometheus.yml");
  if (difference)
    throw new Mismatch(difference, "the declared configuration", "Run `npm run up -- --refresh`.");
  return `${(load(declared) as { scrape_configs: unknown[] }).scrape_configs.length} scrape jobs, as declared`;
}

/**
 * The first place where the loaded configuration is not the declared one. Prometheus adds its defaults when it reports
 * what it loaded, so keys that were not declared do not count; lists count whole.
 */
export function firstDifference(declared: unknown, seen: unknown, at: string): string | undefined {
  const text = (value: unknown) => (value === undefined ? "nothing" : JSON.stringify(value));
  if (Array.isArray(declared) && Array.isArray(seen) && declared.length === seen.length)
    return declared.map((item, i) => firstDifference(item, seen[i], `${at}[${i}]`)).find(Boolean);
  if (isObject(declared) && isObject(seen))
    return Object.entries(declared)
      .map(([key, value]) => firstDifference(value, seen[key], `${at}.${key}`))
      .find(Boolean);
  return isDeepStrictEqual(declared, seen) || reportedAs(declared, seen)
    ? undefined
    : `${at} is ${text(seen)}, declared ${text(declared)}`;
}

/** Prometheus reports 10GB as 10GiB and 60s as 1m, and leaves out what is empty. */
const reportedAs = (declared: unknown, seen: unknown) =>
  (seen === undefined && (declared === "" || declared === false || declared === 0)) ||
  (typeof declared === "string" &&
    typeof seen === "string" &&
    [durationSeconds, sizeMebibytes].some((quantity) => quantity(declared) === quantity(seen)));

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
