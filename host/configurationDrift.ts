import { docker } from "./docker";
import { APPLIED_FOLDER } from "../prometheus/config";
import { DEFAULT_SOCKET } from "./facts";

/** Compares each file with what was loaded last; the time makes two edits of the same two edits. */
const COMPARE = [
  `cd ${APPLIED_FOLDER} && for file in *; do`,
  'cmp -s "$file" "../$file" || { echo "$file was edited by hand, $(stat -c %y "../$file" 2>&1)"; diff -U 0 "$file" "../$file"; };',
  "done | head -c 4000",
].join(" ");

/**
 * What somebody changed by hand in the configuration that a Prometheus was given, as a text diff; asked in previews too,
 * where Pulumi itself looks at no step that has been done.
 *
 * @param container name of the Prometheus container
 * @param dockerHost the daemon's address, as in DOCKER_HOST; the default is the local socket
 * @returns "" when nothing was changed, or when no such container runs
 * @throws Error when this machine has no Docker CLI, which updates need too
 */
export async function editedConfig(container: string, dockerHost = DEFAULT_SOCKET): Promise<string> {
  const compare = ["exec", container, "sh", "-c", COMPARE];
  const answer = await docker(compare, { address: dockerHost }).catch((error: unknown) => {
    if (((error as Error).cause as NodeJS.ErrnoException).code === "ENOENT")
      throw new Error(
        "Docker's command line is missing on this machine: install it (the package docker-ce-cli or docker.io)",
      );
    return "";
  });
  return answer.trim();
}
