import { createHash } from "node:crypto";

/** The folder of secrets, in the configuration folder of a server. */
export const SECRETS = "secrets";

/** Collects the secrets of a configuration in files, which the configuration names instead. */
export interface SecretStore {
  /** The files, by their path in the configuration folder. */
  files: Record<string, string>;
  /**
   * Keeps a secret in a file, whose name does not depend on the secret.
   *
   * @param place of the secret in the settings
   * @returns the path of the file in the server's container
   */
  store: (place: readonly (string | number)[], secret: string) => string;
}

/** @param folder of the configuration in the server's container */
export function secretStore(folder: string): SecretStore {
  const files: Record<string, string> = {};
  const store: SecretStore["store"] = (place, secret) => {
    const file = `${SECRETS}/${fileName(place.join("."))}`;
    files[file] = `${secret.trim()}\n`;
    return `${folder}/${file}`;
  };
  return { files, store };
}

/** A name that no shell and no file system changes; a hash where the name of a job or a header has other characters. */
const fileName = (name: string): string =>
  /^[\w.-]{1,200}$/.test(name) ? name : createHash("sha256").update(name).digest("hex");

/** The folder of one version of the secrets. The configuration in force keeps its own until another is loaded. */
export const secretsFolder = (folder: string, id: string): string => `${folder}/${SECRETS}.${id}`;

/** A configuration that names the secrets of a version. */
export const ofVersion = (config: string, folder: string, id: string): string =>
  config.replaceAll(`${folder}/${SECRETS}/`, `${secretsFolder(folder, id)}/`);

/** The text of a loaded configuration as the settings give it, without versions. */
export const withoutVersion = (config: string, folder: string): string =>
  config.replace(new RegExp(`(${folder}/${SECRETS})\\.[0-9a-f-]{36}/`, "g"), "$1/");
