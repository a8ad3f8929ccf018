import { docker } from "../../host/docker";
import { containerLog, containersOf } from "./containers";

/**
 * How Prometheus names data that it cannot read. The first two keep it from starting, the third from compacting. Source:
 * prometheus/tsdb, db.go and chunks/head_chunks.go.
 */
const CORRUPT =
  /corrupted block (\w{26}):|opening storage failed: \/prometheus\/(chunks_head\/\d+):|Failed to read meta.json .* dir=\/prometheus\/(\w{26}) /g;

const MOVE =
  'cd /prometheus; mkdir -p quarantine; for part in "$@"; do [ ! -e "$part" ] || { mv "$part" quarantine/; echo "$part"; }; done';

/** Moves the samples that Prometheus cannot read into a folder that it ignores, because it does not start with them. */
export async function quarantineCorruptSamples(stack: string, env: NodeJS.ProcessEnv): Promise<string[]> {
  const repaired: string[] = [];
  for (const container of await containersOf(stack, "name=-prometheus$", env)) {
    const log = await containerLog(container, ["--since", "2m"], env);
    const corrupt = new Set([...log.matchAll(CORRUPT)].flatMap((match) => match.slice(1).filter(Boolean)));
    if (corrupt.size === 0) continue;
    const image = await docker(["inspect", "--format", "{{.Config.Image}}", container], { env });
    const inVolume = ["run", "--rm", "--network=none", `--volumes-from=${container}`, "--entrypoint=sh"];
    const moved = await docker([...inVolume, image.trim(), "-ec", MOVE, "sh", ...corrupt], { env });
    if (!moved.trim()) continue;
    await docker(["restart", container], { env });
    repaired.push(
      `${container} could not read ${moved.trim().split("\n").join(", ")}: quarantined in /prometheus/quarantine; all other samples are kept`,
    );
  }
  return repaired;
}
