import { mkdir, readFile } from "node:fs/promises";
import path from "node:path";
import { pulumiHome } from "./pulumiCli";

/** The folder of the project that holds the state of stacks where no other backend is chosen. */
const STATE = ".pulumi-state";

/**
 * The variables that tell Pulumi where the state is: nothing where the user chose a backend (PULUMI_BACKEND_URL) or is
 * logged in; else a folder of the project, whose secrets have an empty passphrase unless the user sets another.
 */
export async function backend(project: string): Promise<NodeJS.ProcessEnv> {
  if (process.env["PULUMI_BACKEND_URL"] || (await loggedIn())) return {};
  const folder = path.join(project, STATE);
  await mkdir(folder, { recursive: true });
  const passphrase = process.env["PULUMI_CONFIG_PASSPHRASE"] ?? process.env["PULUMI_CONFIG_PASSPHRASE_FILE"];
  return {
    PULUMI_BACKEND_URL: `file://${folder}`,
    ...(passphrase === undefined && { PULUMI_CONFIG_PASSPHRASE: "" }),
  };
}

async function loggedIn(): Promise<boolean> {
  const file = path.join(pulumiHome(), "credentials.json");
  const { current = "" } = JSON.parse(await readFile(file, "utf8").catch(() => "{}")) as { current?: string };
  return current !== "";
}
