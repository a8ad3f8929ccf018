import { CONFIG_FOLDER } from "../lib/names";
import { secretContent, secretFile } from "../lib/secretFiles";
import { moveJobSecrets, type ExtraScrapeJob } from "../settings";

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
      const file = secretFile([job.job_name, ...path]);
      files[file] = secretContent(secret);
      return `${CONFIG_FOLDER}/${file}`;
    }),
  );
  return { jobs: moved, files };
}
