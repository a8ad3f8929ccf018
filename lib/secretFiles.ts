import { createHash } from "node:crypto";

/** The folder of secrets, in the configuration folder of a server. */
export const SECRETS = "secrets";

/** The path, in the configuration folder, of the file for a secret, by the place of the secret in the settings. */
export const secretFile = (place: readonly (string | number)[]): string =>
  `${SECRETS}/${fileName(place.join("."))}`;

/** The content of such a file. */
export const secretContent = (secret: string): string => `${secret.trim()}\n`;

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
