import path from "node:path";
import { buildGoCommands, run } from "./goCommands";

/** The releases of Prometheus that are built, each with its Go module's version and checksum. */
const RELEASES = {
  "3.13.5": { version: "v0.313.5", sum: "h1:5/kewqSFNlHQa9NqZxrOkXCBlEuJOvb+8gFOUxSWFv0=" },
  /** From which the tests upgrade, and to which they roll back. */
  "3.13.4": { version: "v0.313.4", sum: "h1:9rFtgnpDC2vmn4rwBs4u34aNPW7JKodiUcw4Sj53pjQ=" },
} as const;
export type PrometheusRelease = keyof typeof RELEASES;

/**
 * Builds a release of Prometheus with its web UI.
 *
 * @returns the folder with `prometheus` and `promtool`
 */
export async function buildPrometheus(
  release: PrometheusRelease,
  progress: (line: string) => void,
): Promise<string> {
  return buildGoCommands(
    {
      name: "prometheus",
      module: { path: "github.com/prometheus/prometheus", ...RELEASES[release] },
      packages: ["./cmd/prometheus", "./cmd/promtool"],
      // Without the clients of every cloud, which are a third of the build: targets are static, or by file, HTTP, DNS or Docker.
      tags: ["netgo", "builtinassets", "remove_all_sd", "enable_dns_sd", "enable_moby_sd"],
      ldflags: `-X github.com/prometheus/common/version.Version=${release}`,
      prepare: async (sources) => {
        progress("building the web UI of Prometheus");
        const ui = path.join(sources, "web", "ui");
        const pnpm = (...args: string[]) =>
          run("npx", ["--yes", "pnpm@10.34.8", ...args], { cwd: ui, env: { ...process.env, CI: "" } });
        await pnpm("install", "--frozen-lockfile");
        await pnpm("run", "build:mantine-ui");
        await run("bash", ["scripts/compress_assets.sh"], { cwd: sources });
      },
    },
    progress,
  );
}
