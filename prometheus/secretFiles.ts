import { createHash } from "node:crypto";
import { CONFIG_FOLDER } from "../lib/names";
import { moveJobSecrets, type ExtraScrapeJob } from "../settings";

/** The folder of the secrets of scrape jobs, in the configuration folder. */
export const SECRETS = "secrets";

/**
 * Moves the secrets of scrape jobs into files, which Prometheus's configuration names instead. A file has the name of its job and
 * field, so that neither the configuration nor its name depends on the secret.
 *
 * @returns the jobs without secrets, and the files by their path in the configuration folder
 */
export function withSecretFiles(jobs: readonly ExtraScrapeJob[]): {
  jobs: ExtraScrapeJob[];
  files: Record<string, string>;
} {
  const files: Record<string, string> = {};
  const moved = jobs.map((job) =>
    moveJobSecrets(job, (path, secret) => {
      const file = `${SECRETS}/${fileName([job.job_name, ...path].join("."))}`;
      files[file] = `${secret.trim()}\n`;
      return `${CONFIG_FOLDER}/${file}`;
    }),
  );
  return { jobs: moved, files };
}

/** A name that no shell and no file system changes; a hash where the name of a job or a header has other characters. */
const fileName = (name: string): string =>
  /^[\w.-]{1,200}$/.test(name) ? name : createHash("sha256").update(name).digest("hex");

/** The folder of one version of the secrets. The configuration in force keeps its own until another is loaded. */
export const secretsFolder = (id: string): string => `${CONFIG_FOLDER}/${SECRETS}.${id}`;

/** A configuration that names the secrets of a version. */
export const ofVersion = (config: string, id: string): string =>
  config.replaceAll(`${CONFIG_FOLDER}/${SECRETS}/`, `${secretsFolder(id)}/`);

/** The text of a loaded configuration as {@link withSecretFiles} and the settings give it, without versions. */
export const withoutVersion = (config: string): string =>
  config.replace(new RegExp(`(${CONFIG_FOLDER}/${SECRETS})\\.[0-9a-f-]{36}/`, "g"), "$1/");
