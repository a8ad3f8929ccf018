import { exporterBundle } from "../exporter/bundle";
import { docker } from "../host/docker";
import { run } from "./run";

/** Writes the program to its folder. The previous program stays, for a container that is not replaced yet; older ones are removed. */
const INSTALL = `
const fs = require("node:fs");
const path = require("node:path");
const { folder, files } = JSON.parse(fs.readFileSync(0, "utf8"));
process.chdir("/exporter");
if (!fs.existsSync(folder)) {
  const incomplete = folder + ".new";
  fs.rmSync(incomplete, { recursive: true, force: true });
  for (const [file, content] of Object.entries(files)) {
    fs.mkdirSync(path.join(incomplete, path.dirname(file)), { recursive: true });
    fs.writeFileSync(path.join(incomplete, file), Buffer.from(content, "base64"));
  }
  fs.renameSync(incomplete, folder);
}
fs.utimesSync(folder, new Date(), new Date());
const age = (name) => -fs.statSync(name).mtimeMs;
for (const name of fs.readdirSync(".").sort((a, b) => age(a) - age(b)).slice(2)) fs.rmSync(name, { recursive: true });
`;

/** Installs the exporter's program in its volume, by a container without network and capabilities. */
async function main({ VOLUME = "", IMAGE = "" }: NodeJS.ProcessEnv): Promise<void> {
  const { folder, files } = exporterBundle();
  const encoded = Object.entries(files).map(([file, content]) => [file, content.toString("base64")]);
  await docker(
    [
      ...["run", "--rm", "-i", "--network", "none", "--cap-drop", "ALL", "--read-only", "--user", "0:0"],
      ...["--security-opt", "no-new-privileges:true", "--volume", `${VOLUME}:/exporter`],
      ...["--entrypoint", "node", IMAGE, "-e", INSTALL],
    ],
    { input: JSON.stringify({ folder, files: Object.fromEntries(encoded) as object }) },
  );
  console.error(`the exporter is in the volume ${VOLUME}, as ${folder}`);
}

run(() => main(process.env));
