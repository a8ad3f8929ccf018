import { run } from "../../lib/run";
import { docker } from "./docker";
import type { Stack } from "./stack";

/**
 * Where a secret of a stack could be in plaintext, as text by place: what commands printed, the state, what Docker shows and logs,
 * pages behind the gateway, and the configuration in a server's container.
 *
 * @param outputs what previews and updates printed, and the command lines of their processes
 * @param pages paths on the port of Prometheus
 */
export async function secretPlaces(
  stack: Stack,
  server: "alertmanager" | "prometheus",
  outputs: readonly string[],
  pages: readonly string[],
): Promise<Record<string, string>> {
  const containers = (await docker("ps", "-aq")).split("\n");
  const fetched = pages.map(async (page) => [page, await (await fetch(stack.prometheus + page)).text()]);
  const files = `for f in /etc/${server}/*.yml* /etc/${server}/*/*.yml; do [ ! -f "$f" ] || cat "$f"; done`;
  return {
    outputs: outputs.join("\n") + JSON.stringify(await stack.outputs()),
    state: await stack.state(),
    inspect: await docker("inspect", ...containers),
    logs: await run("sh", ["-c", `for c in ${containers.join(" ")}; do docker logs $c 2>&1; done`]),
    files: await docker("exec", stack.resource(server), "sh", "-c", files),
    ...(Object.fromEntries(await Promise.all(fetched)) as Record<string, string>),
  };
}

/** Requires that none of the secrets is in any of the places. */
export function expectNowhere(secrets: readonly string[], places: Record<string, string>): void {
  for (const secret of secrets) {
    expect(secret.length).toBeGreaterThan(30);
    for (const [place, text] of Object.entries(places))
      expect([place, text.includes(secret)]).toEqual([place, false]);
  }
}
