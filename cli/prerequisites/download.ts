import os from "node:os";
import fetch, { type RequestInit, type Response } from "node-fetch";
import { proxyAgent } from "./proxy";

/** A mirror may fetch a file itself before it answers. */
const SECONDS = 15;
const RELEASES = "https://get.pulumi.com/releases";

/** Where the official Pulumi CLI is; its archives have Node's names of architectures (x64, arm64). */
export const cliUrl = (version: string, arch: string = os.arch()): string =>
  `${RELEASES}/sdk/pulumi-v${version}-${os.platform()}-${arch}.tar.gz`;

/** Where an official provider plugin is; its archives have Go's names of architectures (amd64, arm64), unlike the CLI's. */
export const pluginUrl = (name: string, version: string, arch: string = os.arch()): string =>
  `${RELEASES}/plugins/pulumi-resource-${name}-v${version}-${os.platform()}-${arch === "x64" ? "amd64" : arch}.tar.gz`;

/** Downloads a URL, through a proxy where the environment names one. */
export const download = (url: string, options: RequestInit = {}): Promise<Response> =>
  fetch(url, { ...options, agent: proxyAgent(url) });

/** Whether a URL can be downloaded from here; a host that does not answer is given up after 15 s. */
export async function reachable(url: string): Promise<boolean> {
  try {
    return (await download(url, { method: "HEAD", timeout: SECONDS * 1000 })).ok;
  } catch {
    return false;
  }
}
