import { text } from "node:stream/consumers";
import { docker } from "../host/docker";
import { NOBODY } from "../lib/names";
import { run } from "./run";

/**
 * Installs the files on standard input, by name, in a folder of the gateway's volume where only the gateway can read them, by
 * a container without network. The previous folder stays, for a gateway that is not replaced yet; older ones are removed.
 */
async function main({ VOLUME = "", IMAGE = "", FOLDER = "" }: NodeJS.ProcessEnv): Promise<void> {
  const files = Object.entries(JSON.parse(await text(process.stdin)) as Record<string, string>);
  const lines = files.flatMap(([name, content]) => [`file ${name}`, ...content.trimEnd().split("\n")]);
  const install = [
    `cd /gateway; umask 077; rm -rf new; mkdir -p new data; chown ${NOBODY}:${NOBODY} data`,
    'while IFS= read -r line; do case "$line" in "file "*) name=${line#file };; *) echo "$line" >> "new/$name";; esac; done',
    `chown ${NOBODY}:${NOBODY} new/*; chmod 755 new`,
    `rm -rf ${FOLDER}; mv new ${FOLDER}; ls -t | { grep -vx data || true; } | tail -n +3 | xargs rm -rf`,
  ];
  await docker(
    [
      ...["run", "--rm", "-i", "--network", "none", "--cap-drop", "ALL", "--cap-add", "CHOWN", "--read-only"],
      ...["--user", "0:0", "--security-opt", "no-new-privileges:true", "--volume", `${VOLUME}:/gateway`],
      ...["--entrypoint", "sh", IMAGE, "-ec", install.join("\n")],
    ],
    { input: `${lines.join("\n")}\n` },
  );
  console.error(`the gateway's ${files.length} files are in the volume ${VOLUME}`);
}

run(() => main(process.env));
