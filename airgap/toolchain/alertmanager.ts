import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { buildGoCommands } from "./goCommands";

/** The version of Alertmanager. */
export const ALERTMANAGER_VERSION = "0.34.2";

/**
 * The page in place of Alertmanager's UI: the module has its sources, in Elm, whose packages are in none of the registries that
 * this folder uses. The API and notifications need no UI.
 */
const PAGE = `<!DOCTYPE html>
<title>Alertmanager</title>
<p>This Alertmanager was built without its UI. Its API answers: <a href="api/v2/alerts">alerts</a>,
<a href="api/v2/silences">silences</a>, <a href="api/v2/status">status</a>.
`;

/**
 * Builds Alertmanager.
 *
 * @returns the folder with `alertmanager` and `amtool`
 */
export const buildAlertmanager = (): Promise<string> =>
  buildGoCommands({
    name: "alertmanager",
    module: {
      path: "github.com/prometheus/alertmanager",
      version: `v${ALERTMANAGER_VERSION}`,
      sum: "h1:4oOnHs4J41X9n+7MucFjA3I5i5MtasjWTnIY27q5Qkw=",
    },
    packages: ["./cmd/alertmanager", "./cmd/amtool"],
    tags: ["netgo"],
    ldflags: `-X github.com/prometheus/common/version.Version=${ALERTMANAGER_VERSION}`,
    prepare: writePage,
  });

/** Alertmanager embeds its files compressed. Source: ui/web.go. */
async function writePage(sources: string): Promise<void> {
  const folder = path.join(sources, "ui", "app", "dist");
  await mkdir(folder);
  await writeFile(path.join(folder, "index.html.gz"), gzipSync(PAGE));
  await writeFile(path.join(folder, "index.html.br"), brotliCompressSync(PAGE));
}
