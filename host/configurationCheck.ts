import { load } from "js-yaml";
import { toYaml } from "../prometheus/config";
import type { ScrapeConfig } from "../prometheus/scrapeConfigs";
import { docker } from "./docker";

/**
 * Checks a configuration by the promtool of a running container, without its rule files and the files of its secrets. The
 * container does not change.
 *
 * @param config text of prometheus.yml
 * @param address of the daemon, as in DOCKER_HOST; by default that of the environment
 * @returns what promtool refuses, with the name of the job where it is one; "" when it refuses nothing or cannot run
 */
export async function refusal(container: string, config: string, address?: string): Promise<string> {
  const reason = await reasonOf(container, config, address);
  if (!reason) return "";
  const { scrape_configs } = load(config) as { scrape_configs: ScrapeConfig[] };
  for (const job of scrape_configs) {
    const ofJob = await reasonOf(container, toYaml({ scrape_configs: [job] }), address);
    if (ofJob) return `the scrape job ${job.job_name}: ${ofJob}`;
  }
  return reason;
}

/** promtool reads a file, which the shell's pipe is: Docker's own may belong to another user. */
const CHECK = "cat | promtool check config --syntax-only /dev/stdin";

async function reasonOf(container: string, config: string, address?: string): Promise<string> {
  const command = ["exec", "-i", container, "sh", "-c", CHECK];
  const output = await docker(command, { address, input: config }).catch(
    (error: unknown) => (error as Error).message,
  );
  return /FAILED: (?:parsing YAML file \S+: )?([^]*?)(?:\nChecking|$)/.exec(output)?.[1]?.trim() ?? "";
}
