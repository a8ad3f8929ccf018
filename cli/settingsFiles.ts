import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { load } from "js-yaml";

/**
 * Runs a Pulumi command, and removes the encryption salt that it adds to `Pulumi.NAME.yaml`. The state has it too, where Pulumi
 * finds it with PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER. A file with changed settings is kept.
 */
export async function keepSettingsFiles<T>(command: () => Promise<T>): Promise<T> {
  const before = await settingsFiles();
  try {
    return await command();
  } finally {
    for (const [file, text] of await settingsFiles()) {
      const old = before.get(file) ?? "";
      if (text === old || !isSalted(text) || isSalted(old) || settings(text) !== settings(old)) continue;
      if (before.has(file)) await writeFile(file, old);
      else await rm(file);
    }
  }
}

async function settingsFiles(): Promise<Map<string, string>> {
  const files = (await readdir(".")).filter((file) => /^Pulumi\..+\.yaml$/.test(file));
  return new Map(await Promise.all(files.map(async (file) => [file, await readFile(file, "utf8")] as const)));
}

const isSalted = (text: string): boolean => /^encryptionsalt:/m.test(text);

/** What a file sets, in a form for comparison: Pulumi writes numbers and booleans as text. */
const settings = (text: string): string =>
  JSON.stringify(
    { config: {}, ...(load(text) as object | undefined), encryptionsalt: undefined },
    (_, value: unknown) => (/^(number|boolean)$/.test(typeof value) ? `${value as number | boolean}` : value),
  );
