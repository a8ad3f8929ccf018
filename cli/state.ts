import { mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { run } from "../lib/run";

/** What is read here of a resource in a stack's state. */
export interface Resource {
  urn: string;
  type: string;
  id?: string;
  protect?: boolean;
  inputs?: { name?: string; networksAdvanced?: { name: string; aliases?: string[]; ipv4Address?: string }[] };
  outputs?: Record<string, unknown>;
}

/** A stack's state, as Pulumi exports it. */
export interface State {
  deployment?: {
    resources?: Resource[];
    pending_operations?: { resource: Resource; type: string }[];
  } | null;
}

/** Reads the state of a stack. */
export const exportState = async (name: string, env: NodeJS.ProcessEnv): Promise<State> =>
  JSON.parse(await run("pulumi", ["stack", "export", "--stack", name], { env })) as State;

/** Replaces the state of a stack. */
export async function importState(name: string, state: State, env: NodeJS.ProcessEnv): Promise<void> {
  const folder = await mkdtemp(path.join(os.tmpdir(), "state-"));
  try {
    const file = path.join(folder, "state.json");
    await writeFile(file, JSON.stringify(state), { mode: 0o600 });
    await run("pulumi", ["stack", "import", "--stack", name, "--file", file], { env });
  } finally {
    await rm(folder, { recursive: true });
  }
}
