import { createPrivateKey, X509Certificate } from "node:crypto";
import { isIPv4 } from "node:net";
import path from "node:path";
import leven from "leven";
import { RE2JS } from "re2js";
import * as z from "zod";
import { durationSeconds, sizeMebibytes } from "../lib/units";

/** Reports a setting that is refused: its path and why. */
export type Refuse = (path: (string | number)[], message: string) => void;

/** A string that must satisfy `test`; `accepted` follows "must be" in the error message. */
export const text = (test: (value: string) => boolean, accepted: string) =>
  z.string({ error: `must be ${accepted}` }).refine(test, { error: `must be ${accepted}` });

/**
 * The known word that an unknown one resembles most.
 *
 * @param mostWrong how many letters may be wrong. Default: a third of the word's
 * @returns undefined where none does
 */
export function nearest(
  word: string,
  known: readonly string[],
  mostWrong = word.length / 3,
): string | undefined {
  const distance = (name: string) => leven(word.toLowerCase(), name.toLowerCase());
  const [best] = known
    .filter((name) => distance(name) <= mostWrong)
    .sort((a, b) => distance(a) - distance(b));
  return best;
}

/** One of the given words. */
export const oneOf = <const Word extends string>(...words: [Word, ...Word[]]) =>
  z.enum(words, { error: `must be ${words.slice(0, -1).join(", ")} or ${words.at(-1) ?? ""}` });

export const flag = z.boolean({ error: "must be true or false" });

export const port = z.coerce
  .number({ error: "must be a port number" })
  .refine((p) => Number.isInteger(p) && p >= 1 && p <= 65_535, { error: "must be a port from 1 to 65535" });

export const image = text(
  (ref) =>
    /^[a-z0-9][\w.\-:/]*(:[\w][\w.-]{0,127}|@sha256:[a-f0-9]{64})$/.test(ref) &&
    !/:latest$/.test(ref) &&
    !/\/\/|::/.test(ref),
  'an image with a tag other than "latest", or a digest, such as prom/prometheus:v3.13.5',
);

export const duration = text(
  (value) => durationSeconds(value) > 0,
  "a duration above zero, such as 30s, 5m or 15d",
);

/** A number, also as text: `pulumi config set --path` stores one with a decimal point so. */
const numeric = (test: (value: number) => boolean, accepted: string) =>
  z
    .union(
      [
        z.number(),
        z
          .string()
          .regex(/^\d+(\.\d+)?$/)
          .transform(Number),
      ],
      {
        error: `must be ${accepted}`,
      },
    )
    .refine(test, { error: `must be ${accepted}` });

export const ratio = numeric(
  (value) => value > 0 && value <= 1,
  "a number above 0 and at most 1, such as 0.9",
);

/** A number above another one. */
export const above = (least: number) => numeric((value) => value > least, `a number above ${least}`);

/** Prometheus treats a series without a sample for five minutes as gone. */
const MAX_SCRAPE_INTERVAL_SECONDS = 120;

export const scrapeInterval = duration.refine(
  (value) => !(durationSeconds(value) > MAX_SCRAPE_INTERVAL_SECONDS),
  { error: "must be 2m at most, as Prometheus treats a series without samples for five minutes as gone" },
);

export const size = text(
  (value) => sizeMebibytes(value) >= 64,
  "a size of at least 64MB, such as 512MB or 10GB",
);

/** A memory limit; the parsed value is in MiB. */
export const memory = text(
  (value) => sizeMebibytes(value) >= 32,
  "a memory size of at least 32MB, such as 256MB or 1GB",
).transform((value) => Math.floor(sizeMebibytes(value)));

/** A directory of the host that a container may mount, so none that has sockets, devices or settings of the system. */
export const diskDirectory = text(
  (value) =>
    /^(\/[^/:]+)+$/.test(value) &&
    path.posix.normalize(value) === value &&
    !/^\/(boot|dev|etc|proc|root|run|sys|var\/run)(\/|$)|^\/var$/.test(value),
  "the path of a directory on the disk, such as /data/models; best an empty one, and none of the system",
);

export const hostPort = text(
  (value) =>
    /^([a-zA-Z0-9_.-]+|\[[0-9a-fA-F:]+\]):\d+$/.test(value) && port.safeParse(value.split(":").pop()).success,
  "host:port, such as vllm:8000",
);

export const ipv4Address = text(
  (value) => isIPv4(value),
  "an IPv4 loopback address, such as 127.0.0.1, or another IPv4 address of the host",
);

export const hostLabel = text(
  (label) => /^[\w.-]{0,63}$/.test(label),
  "a host name: up to 63 letters, digits, dots, dashes and underscores",
);

export const dnsName = text(
  (name) => isIPv4(name) || /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/.test(name),
  "a host name in lower case or an IPv4 address, such as metrics.example.org",
);

export const networkName = text(
  (name) => /^[a-zA-Z0-9][\w.-]*$/.test(name),
  "the name of a network of Docker, such as chat_default",
);

/** Whether Docker can give a container this name. */
export const isContainerName = (name: string): boolean => /^[a-zA-Z0-9][\w.-]{0,127}$/.test(name);

export const headerValue = text(
  (value) => /^[!-~]{1,4096}$/.test(value),
  "a text of printable ASCII characters without spaces",
);

export const labelName = text(
  (name) => /^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name),
  "a label name: letters, digits and underscores, not starting with a digit",
);

export const regex = text(
  (pattern) => succeeds(() => RE2JS.compile(pattern)),
  "a regular expression of RE2 syntax (no look-ahead, no back-references)",
);

/** A URL. Prometheus shows URLs in its pages and its API, so one with a password is refused. */
export const url = text(
  (value) =>
    URL.canParse(value) && /^https?:/.test(value) && !new URL(value).password && !new URL(value).username,
  "a URL without user and password, such as http://discovery:8080/targets",
);

/** A key that Prometheus knows and a stack cannot use; `reason` ends the sentence "must not be set: ". */
export const notUsable = <Value = string>(reason: string) =>
  z.custom<Value>(() => false, { error: `must not be set: ${reason}` }).optional();

export const isCertificate = (pem: string): boolean => succeeds(() => new X509Certificate(pem));
export const isPrivateKey = (pem: string): boolean => succeeds(() => createPrivateKey(pem));

/** Whether a private key is that of the first certificate of a PEM. */
export const isKeyOf = (certificate: string, key: string): boolean =>
  new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key));

export const certificate = text(
  (pem) => pem === "" || isCertificate(pem),
  "a certificate as PEM (-----BEGIN CERTIFICATE-----)",
);

export const privateKey = text(
  (pem) => pem === "" || isPrivateKey(pem),
  "a private key as PEM, without a passphrase",
);

/**
 * Lines of an htpasswd file; the parsed value is the bcrypt hash of each user. A hash of fewer than 2^10 rounds is fast to
 * guess, one of more than 2^14 keeps the gateway busy.
 */
export const users = text(
  (lines) =>
    nonEmptyLines(lines).every((line) => /^[\w.@-]{1,64}:\$2[aby]\$1[0-4]\$[./A-Za-z0-9]{53}$/.test(line)),
  "lines of an htpasswd file with bcrypt hashes of 10 to 14 rounds, as `htpasswd -nBC 12 NAME` writes them",
).transform((lines) =>
  Object.fromEntries(nonEmptyLines(lines).map((line) => line.split(":") as [string, string])),
);

const nonEmptyLines = (lines: string) => lines.split("\n").filter((line) => line.trim() !== "");

function succeeds(check: () => unknown): boolean {
  try {
    return Boolean(check());
  } catch {
    return false;
  }
}
