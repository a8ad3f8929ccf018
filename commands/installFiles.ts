import path from "node:path";
import { text } from "node:stream/consumers";
import { pageFiles, type PageFiles } from "../dashboard/bundle";
import { DASHBOARD_FILES, deployedFiles } from "../grafana/provisioning";
import { docker } from "../host/docker";
import { NOBODY } from "../lib/names";
import { run } from "./run";
import { writeCommand } from "./shell";

/** What is installed in a volume. */
interface Installation {
  files: Record<string, string>;
  /** The start of a line of the log. */
  what: string;
  /** A shell script. */
  script: string;
  /** Whether the script changes owners. */
  changesOwners?: boolean;
}

/**
 * Installs files in a volume, by a container without network: with FOLDER, those on standard input, by name, where only the gateway or
 * the forwarder to LLM servers can read them; with PAGE, the page; with GRAFANA, the dashboards of Grafana and what provisions them.
 */
async function main(environment: NodeJS.ProcessEnv): Promise<void> {
  const { VOLUME = "", IMAGE = "" } = environment;
  const { files, what, script, changesOwners } = await installation(environment);
  await docker(
    [
      ...["run", "--rm", "-i", "--network", "none", "--cap-drop", "ALL", "--read-only"],
      ...(changesOwners ? ["--cap-add", "CHOWN"] : []),
      ...["--user", "0:0", "--security-opt", "no-new-privileges:true", "--volume", `${VOLUME}:/volume`],
      ...["--entrypoint", "sh", IMAGE, "-e"],
    ],
    { input: script },
  );
  console.error(`${what}: ${Object.keys(files).length} files are in the volume ${VOLUME}`);
}

async function installation({
  FOLDER = "",
  PAGE,
  GRAFANA,
  SCRAPE_INTERVAL = "",
}: NodeJS.ProcessEnv): Promise<Installation> {
  if (PAGE) {
    const files = pageFiles();
    return { files, what: "the page", script: installPage(files) };
  }
  if (GRAFANA) {
    const files = deployedFiles(SCRAPE_INTERVAL);
    return { files, what: "the dashboards of Grafana", script: installDashboards(files) };
  }
  const files = JSON.parse(await text(process.stdin)) as Record<string, string>;
  return { files, what: "the secrets", script: installSecrets(files, FOLDER), changesOwners: true };
}

/** A shell script that writes the files to a new folder. The previous folder stays, for a gateway that is not replaced yet; older ones are removed. */
const installSecrets = (files: Record<string, string>, folder: string): string =>
  [
    `cd /volume; umask 077; rm -rf new; mkdir -p new data; chown ${NOBODY}:${NOBODY} data`,
    ...Object.entries(files).map(([name, content]) => writeCommand(`new/${name}`, withLineEnd(content))),
    `chown ${NOBODY}:${NOBODY} new/*; chmod 755 new`,
    `rm -rf ${folder}; mv new ${folder}; ls -t | { grep -vx data || true; } | tail -n +3 | xargs rm -rf`,
  ].join("\n");

/** A shell script that swaps in each file, and the document after those that it names. Those of former pages stay for an hour, for browsers that are loading one. */
function installPage({ "index.html": html = "", ...files }: PageFiles): string {
  return [
    "cd /volume; umask 022",
    ...[...Object.entries(files), ["index.html", html] as const].map(
      ([name, content]) => `${writeCommand("new", withLineEnd(content))}mv new ${name}`,
    ),
    "find . -name 'page-*' -mmin +60 -exec rm -f {} +",
  ].join("\n");
}

/** A shell script that swaps in each file, in their order, and removes dashboards of former versions. Grafana loads a changed dashboard by itself. */
const installDashboards = (files: Record<string, string>): string =>
  [
    "cd /volume; umask 022",
    ...Object.entries(files).map(
      ([name, content]) =>
        `mkdir -p ${path.dirname(name)}\n${writeCommand(`${name}.new`, withLineEnd(content))}mv ${name}.new ${name}`,
    ),
    `for file in *.json; do case " ${DASHBOARD_FILES.join(" ")} " in *" $file "*) ;; *) rm -f "$file";; esac; done`,
  ].join("\n");

const withLineEnd = (content: string) => `${content.trimEnd()}\n`;

run(() => main(process.env));
