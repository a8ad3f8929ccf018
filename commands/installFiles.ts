import { text } from "node:stream/consumers";
import { pageFiles, type PageFiles } from "../dashboard/bundle";
import { docker } from "../host/docker";
import { NOBODY } from "../lib/names";
import { run } from "./run";
import { writeCommand } from "./shell";

/**
 * Installs files in a volume of the gateway, by a container without network: with FOLDER, those on standard input, by name, where
 * only the gateway can read them; with PAGE, the page.
 */
async function main({ VOLUME = "", IMAGE = "", FOLDER = "", PAGE }: NodeJS.ProcessEnv): Promise<void> {
  const files = PAGE ? pageFiles() : (JSON.parse(await text(process.stdin)) as Record<string, string>);
  await docker(
    [
      ...["run", "--rm", "-i", "--network", "none", "--cap-drop", "ALL", "--read-only"],
      ...(PAGE ? [] : ["--cap-add", "CHOWN"]),
      ...["--user", "0:0", "--security-opt", "no-new-privileges:true", "--volume", `${VOLUME}:/volume`],
      ...["--entrypoint", "sh", IMAGE, "-e"],
    ],
    { input: PAGE ? installPage(files) : installSecrets(files, FOLDER) },
  );
  console.error(
    `the gateway's ${Object.keys(files).length} files ${PAGE ? "of the page " : ""}are in the volume ${VOLUME}`,
  );
}

/** A shell script that writes the files to a new folder. The previous folder stays, for a gateway that is not replaced yet; older ones are removed. */
const installSecrets = (files: Record<string, string>, folder: string): string =>
  [
    `cd /volume; umask 077; rm -rf new; mkdir -p new data; chown ${NOBODY}:${NOBODY} data`,
    ...Object.entries(files).map(([name, content]) => writeCommand(`new/${name}`, withLineEnd(content))),
    `chown ${NOBODY}:${NOBODY} new/*; chmod 755 new`,
    `rm -rf ${folder}; mv new ${folder}; ls -t | { grep -vx data || true; } | tail -n +3 | xargs rm -rf`,
  ].join("\n");

/** A shell script that swaps in the document after the files that it names. Those of former pages stay for an hour, for who loads one now. */
function installPage({ "index.html": html = "", ...files }: PageFiles): string {
  return [
    "cd /volume; umask 022",
    ...Object.entries(files).map(([name, content]) => writeCommand(name, withLineEnd(content))),
    writeCommand("index.html.new", html),
    "mv index.html.new index.html; find . -name 'page-*' -mmin +60 -exec rm -f {} +",
  ].join("\n");
}

const withLineEnd = (content: string) => `${content.trimEnd()}\n`;

run(() => main(process.env));
