import path from "node:path";
import { buildGoCommands } from "./goCommands";
import { run } from "../../lib/run";
import { log } from "../../lib/log";

/** The releases of Prometheus that are built, each with its Go module's version and checksum. */
const RELEASES = {
  "3.13.5": { version: "v0.313.5", sum: "h1:5/kewqSFNlHQa9NqZxrOkXCBlEuJOvb+8gFOUxSWFv0=", webUi: true },
  /** From which the tests upgrade, and to which they roll back. */
  "3.13.4": { version: "v0.313.4", sum: "h1:9rFtgnpDC2vmn4rwBs4u34aNPW7JKodiUcw4Sj53pjQ=", webUi: false },
} as const;
export type PrometheusRelease = keyof typeof RELEASES;

/**
 * Builds a release of Prometheus, with its web UI where its pages are used.
 *
 * @returns the folder with `prometheus` and `promtool`
 */
export async function buildPrometheus(release: PrometheusRelease): Promise<string> {
  const { webUi, ...module } = RELEASES[release];
  return buildGoCommands({
    name: "prometheus",
    module: { path: "github.com/prometheus/prometheus", ...module },
    packages: ["./cmd/prometheus", "./cmd/promtool"],
    // Without the clients of every cloud, which are a third of the build: targets are static, or by file, HTTP, DNS or Docker.
    tags: ["netgo", ...(webUi ? ["builtinassets"] : []), "remove_all_sd", "enable_dns_sd", "enable_moby_sd"],
    ldflags: `-X github.com/prometheus/common/version.Version=${release}`,
    ...(webUi && { prepare: (sources) => buildWebUi(sources) }),
  });
}

async function buildWebUi(sources: string): Promise<void> {
  log("building the web UI of Prometheus");
  const ui = path.join(sources, "web", "ui");
  const pnpm = (...args: string[]) =>
    run("npx", ["--yes", "pnpm@10.34.8", ...args], { cwd: ui, env: { CI: "" } });
  await pnpm("install", "--frozen-lockfile");
  await pnpm("run", "build:mantine-ui");
  await run("bash", ["scripts/compress_assets.sh"], { cwd: sources });
}
