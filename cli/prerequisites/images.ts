import { spawn } from "node:child_process";
import { buildImage, canBuild, wasBuilt } from "../../airgap";
import { docker } from "../../host/docker";
import { stackConfig } from "../stackConfig";
import { log } from "../../lib/log";
import { PREVIOUS_KEYS } from "../../settings";
import { proxyFor } from "./proxy";

/** Docker itself gives up a registry that does not answer after 15 s. */
const SILENCE_SECONDS = 30;

/**
 * Makes sure that the Docker host has the images of a stack: those that are there, else pulled, else built.
 *
 * @param stack the stack's short name, which its configuration file is called after
 * @param dockerHost the daemon's address, as in DOCKER_HOST
 * @param notify whether Alertmanager is deployed; by default, as the setting of that name
 */
export async function stackImages(
  stack: string,
  dockerHost = process.env["DOCKER_HOST"] ?? "unix:///var/run/docker.sock",
  { notify }: { notify?: boolean } = {},
): Promise<void> {
  const env = { ...process.env, DOCKER_HOST: dockerHost };
  const images = await configuredImages(stack, notify);
  const isFound = await Promise.all(images.map((image) => isThere(image, dockerHost)));
  const found = images.filter((_, index) => isFound[index]);
  const missing = images.filter((image) => !found.includes(image));
  if (found.length > 0) log(`images: found ${found.join(", ")}`);
  // One that an older checkout built may lack what this one needs. An official image is left alone.
  for (const image of found)
    if (canBuild(image) && (await wasBuilt(image, dockerHost))) await buildImage(image, dockerHost);
  for (const image of missing) {
    if (await pull(image, env)) {
      log(`image ${image}: pulled`);
      continue;
    }
    if (proxyFor("https://registry")) log(DAEMON_PROXY);
    log(`image ${image}: cannot be pulled; airgap/ builds it`);
    await buildImage(image, dockerHost);
  }
}

const DAEMON_PROXY =
  "images: the Docker daemon pulls them, and has proxy settings of its own (docs.docker.com/engine/daemon/proxy)";

const isThere = (image: string, address: string): Promise<boolean> =>
  docker(["image", "inspect", image], { address }).then(Boolean, () => false);

/**
 * The images that a stack's configuration names, or the defaults of Pulumi.yaml.
 *
 * @param notify whether Alertmanager is deployed; by default, as the setting of that name
 */
export async function configuredImages(stack: string, notify?: boolean): Promise<string[]> {
  const config = await stackConfig(stack);
  const isDeployed = notify ?? hasReceivers(config["llm-metrics:notify"]);
  const setting = (key: string) =>
    config[`llm-metrics:${PREVIOUS_KEYS[key] ?? key}`] ?? config[`llm-metrics:${key}`] ?? "";
  const alertmanager = isDeployed ? ["alertmanagerImage"] : [];
  return ["cadvisorImage", "prometheusImage", "caddyImage", "exporterImage", ...alertmanager].map(setting);
}

/** The setting is a list, or JSON; encrypted as a whole, it is an object. */
const hasReceivers = (notify: unknown): boolean =>
  Array.isArray(notify) ? notify.length > 0 : notify !== undefined && notify !== "[]";

/**
 * Pulls an image. A registry that sends nothing for 30 s is given up where airgap/ can build the image; one that has begun to send
 * never is.
 */
function pull(image: string, env: NodeJS.ProcessEnv): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn("docker", ["pull", image], { stdio: ["ignore", "pipe", "inherit"], env });
    const silence = canBuild(image) ? setTimeout(() => child.kill(), SILENCE_SECONDS * 1000) : undefined;
    child.stdout.on("data", (line: Buffer) => {
      clearTimeout(silence);
      log(`image ${image}: ${line.toString().trim()}`);
    });
    child.on("close", (status) => {
      clearTimeout(silence);
      resolve(status === 0);
    });
    child.on("error", () => {
      resolve(false);
    });
  });
}
