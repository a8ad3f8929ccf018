import { mkdir, readFile } from "node:fs/promises";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { pulumiHome } from "./pulumiCli";

/** The folder of the project that holds the state of stacks where no other backend is chosen. */
const STATE = ".pulumi-state";

/**
 * The variables that tell Pulumi where the state is: nothing where the user chose a backend (PULUMI_BACKEND_URL) or is
 * logged in (by `pulumi login` or PULUMI_ACCESS_TOKEN); else a folder of the project, whose secrets have an empty passphrase unless the user sets another.
 */
export async function backend(project: string): Promise<NodeJS.ProcessEnv> {
  if (process.env["PULUMI_BACKEND_URL"] || (await loggedIn())) return {};
  const folder = path.join(project, STATE);
  await mkdir(folder, { recursive: true });
  const passphrase = process.env["PULUMI_CONFIG_PASSPHRASE"] ?? process.env["PULUMI_CONFIG_PASSPHRASE_FILE"];
  return {
    PULUMI_BACKEND_URL: backendIn(folder),
    ...(passphrase === undefined && { PULUMI_CONFIG_PASSPHRASE: "" }),
  };
}

/** The URL of the state in a folder. */
export const backendIn = (folder: string): string => pathToFileURL(folder).href;

/** The folder of the state that a URL names; undefined where the backend is a service. */
export function folderOf(url = ""): string | undefined {
  const [, folder] = /^file:\/\/(.+)$/.exec(url) ?? [];
  return folder && decodeURIComponent(folder);
}

/** Whether an environment has the project's own folder for the state, which no other project writes to. */
export const hasLocalState = (env: NodeJS.ProcessEnv): boolean =>
  env["PULUMI_BACKEND_URL"] === backendIn(path.join(process.cwd(), STATE));

async function loggedIn(): Promise<boolean> {
  if (process.env["PULUMI_ACCESS_TOKEN"]) return true;
  const file = path.join(pulumiHome(), "credentials.json");
  const { current = "" } = JSON.parse(await readFile(file, "utf8").catch(() => "{}")) as { current?: string };
  return current !== "";
}
