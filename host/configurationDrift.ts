import { APPLIED_FOLDER } from "../prometheus/config";
import { DEFAULT_ADDRESS, docker } from "./docker";

/** Compares each file with the copy that was loaded last; the time makes a repeated edit a new one. */
const COMPARE = [
  `cd ${APPLIED_FOLDER} && for file in *; do`,
  'cmp -s "$file" "../$file" || { echo "$file was edited, $(stat -c %y "../$file" 2>&1)"; diff -U 0 "$file" "../$file"; };',
  "done | head -c 4000",
].join(" ");

/**
 * The drift of Prometheus's configuration: edits of its files since they were loaded last, as a text diff. It is read in
 * previews too, where Pulumi compares inputs only.
 *
 * @param container name of the Prometheus container
 * @param address of the daemon, as in DOCKER_HOST; the default is the local socket
 * @returns "" when there is none, or when no such container runs
 * @throws Error when this machine has no Docker CLI, which updates need too
 */
export async function configurationDrift(container: string, address = DEFAULT_ADDRESS): Promise<string> {
  const output = await docker(["exec", container, "sh", "-c", COMPARE], { address }).catch(
    (error: unknown) => {
      if (((error as Error).cause as NodeJS.ErrnoException).code === "ENOENT")
        throw new Error(
          "the Docker CLI is missing on this machine: install it (the package docker-ce-cli or docker.io)",
        );
      return "";
    },
  );
  return output.trim();
}
