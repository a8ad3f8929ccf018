import { load } from "js-yaml";
import { toYaml } from "../prometheus/yaml";
import type { ScrapeConfig } from "../prometheus/scrapeConfigs";
import { docker } from "./docker";
import type { HostContainer } from "./facts";
import type { LoadedConfiguration } from "./loadedConfiguration";

/** What a changed configuration is compared with, and checked on. */
interface Running {
  /** The container of Prometheus; undefined before the first deploy. */
  running: HostContainer | undefined;
  /** The image of the settings. */
  image: string;
  /** Address of the daemon, as in DOCKER_HOST. */
  address: string;
}

/**
 * Has a changed configuration checked by the running promtool, in previews too, where its release is the one that will load it. On
 * a first deploy, and with a new image, the step that loads the configuration checks it.
 *
 * @param files of the new configuration, by name
 * @throws Error with what promtool refuses
 */
export async function requireAccepted(
  files: Readonly<Record<string, string>>,
  { text }: LoadedConfiguration,
  { running, image, address }: Running,
): Promise<void> {
  const isLoaded = text === Object.values(files).join("");
  if (isLoaded || running?.image !== image) return;
  const reason = await refusal(running.name, files["prometheus.yml"] ?? "", address);
  if (reason)
    throw new Error(
      `promtool refuses the configuration of Prometheus, and nothing was changed:\n  ${reason}`,
    );
}

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
