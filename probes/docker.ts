import { execFile } from "node:child_process";

/**
 * Runs the Docker CLI, which finds the daemon by DOCKER_HOST.
 *
 * @param input written to its standard input
 * @throws Error with what it wrote to both its outputs
 */
export function docker(args: string[], input = ""): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile("docker", args, { maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
      if (error)
        reject(
          new Error(
            `docker ${args.slice(0, 3).join(" ")} failed: ${(stderr + stdout).trim() || error.message}`,
          ),
        );
      else resolve(stdout);
    });
    child.stdin?.end(input);
  });
}

/** Id and name of each running container. */
export async function runningContainers(): Promise<{ id: string; name: string }[]> {
  const lines = (await docker(["ps", "--no-trunc", "--format", "{{.ID}} {{.Names}}"]))
    .split("\n")
    .filter(Boolean);
  return lines.map((line) => {
    const [id = "", name = ""] = line.split(" ");
    return { id, name };
  });
}
