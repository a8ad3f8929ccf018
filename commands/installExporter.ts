import { exporterBundle } from "../exporter/bundle";
import { docker } from "../host/docker";
import { run } from "./run";

/**
 * Installs the exporter's program in its volume, by a container without network and capabilities. The previous program
 * stays, for a container that is not replaced yet; older ones are removed.
 */
async function main({ VOLUME = "", IMAGE = "" }: NodeJS.ProcessEnv): Promise<void> {
  const { file, code } = exporterBundle();
  const install = `cd /exporter && cat > ${file}.new && mv ${file}.new ${file} && touch ${file} && ls -t | tail -n +3 | xargs rm -f`;
  await docker(
    [
      ...["run", "--rm", "-i", "--network", "none", "--cap-drop", "ALL", "--read-only", "--user", "0:0"],
      ...["--security-opt", "no-new-privileges:true", "--volume", `${VOLUME}:/exporter`],
      ...["--entrypoint", "sh", IMAGE, "-ec", install],
    ],
    { input: code },
  );
  console.error(`the exporter is in the volume ${VOLUME}, as ${file}`);
}

run(() => main(process.env));
