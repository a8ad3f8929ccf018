import os from "node:os";
import fetch from "node-fetch";

const SECONDS = 5;
const RELEASES = "https://get.pulumi.com/releases";

/** Where the official Pulumi CLI is; its archives have Node's names of architectures (x64, arm64). */
export const cliUrl = (version: string, arch: string = os.arch()): string =>
  `${RELEASES}/sdk/pulumi-v${version}-${os.platform()}-${arch}.tar.gz`;

/** Where an official provider plugin is; its archives have Go's names of architectures (amd64, arm64), unlike the CLI's. */
export const pluginUrl = (name: string, version: string, arch: string = os.arch()): string =>
  `${RELEASES}/plugins/pulumi-resource-${name}-v${version}-${os.platform()}-${arch === "x64" ? "amd64" : arch}.tar.gz`;

/** Whether a URL can be downloaded from here; a host that does not answer is given up after 5 s. */
export async function reachable(url: string): Promise<boolean> {
  try {
    return (await fetch(url, { method: "HEAD", timeout: SECONDS * 1000 })).ok;
  } catch {
    return false;
  }
}
