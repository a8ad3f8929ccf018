import { APPLIED, CONFIG_FOLDER } from "../lib/names";
import { withoutVersion } from "../lib/secretFiles";
import { DEFAULT_ADDRESS, docker } from "./docker";

/** The configuration of a running Prometheus. */
export interface LoadedConfiguration {
  /** The text of the files that were loaded last: prometheus.yml, then its rules. */
  text: string;
  /** Edits of the files since they were loaded, as a text diff; "" for none. */
  drift: string;
}

/** No line of a configuration; one of dashes would be the end of a certificate. */
const SEPARATOR = "==== end of the loaded files";

/**
 * Prints the loaded files, and compares each with its edited version; the time makes a repeated edit a new one. Earlier versions of
 * this program gave the rules another name, such as rules.0a1b2c3d.yml.
 */
const SCRIPT = [
  `cd ${CONFIG_FOLDER}/${APPLIED} && cat prometheus.yml rules.* && echo "${SEPARATOR}" && for file in *; do`,
  'cmp -s "$file" "../$file" || { echo "$file was edited, $(stat -c %y "../$file" 2>&1)"; diff -U 0 "$file" "../$file"; };',
  "done",
].join(" ");
const MAX_DRIFT_LENGTH = 4000;

/**
 * Reads the configuration of a running Prometheus, in previews too, where Pulumi compares inputs only.
 *
 * @param container name of the Prometheus container
 * @param address of the daemon, as in DOCKER_HOST; the default is the local socket
 * @returns empty texts when no such container runs
 * @throws Error when this machine has no Docker CLI, which updates need too
 */
export async function loadedConfiguration(
  container: string,
  address = DEFAULT_ADDRESS,
): Promise<LoadedConfiguration> {
  const output = await docker(["exec", container, "sh", "-c", SCRIPT], { address }).catch(
    (error: unknown) => {
      if (((error as Error).cause as NodeJS.ErrnoException).code === "ENOENT")
        throw new Error(
          "the Docker CLI is missing on this machine: install it (the package docker-ce-cli or docker.io)",
        );
      return "";
    },
  );
  const [text = "", drift = ""] = output.split(`${SEPARATOR}\n`);
  return { text: withoutVersion(text, CONFIG_FOLDER), drift: drift.trim().slice(0, MAX_DRIFT_LENGTH) };
}
