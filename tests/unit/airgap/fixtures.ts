import { container } from "../../../airgap/plugins/docker/container";
import { network } from "../../../airgap/plugins/docker/network";
import { remoteImage } from "../../../airgap/plugins/docker/remoteImage";
import { volume } from "../../../airgap/plugins/docker/volume";
import { command } from "../../../airgap/plugins/command/command";
import { check } from "../../../airgap/plugins/check";
import { diff } from "../../../airgap/plugins/diff";
import type { ResourceType } from "../../../airgap/plugins/resourceType";
import type { Values } from "../../../airgap/plugins/values";

/** A resource with every input that its plugin implements. */
export const DECLARED = {
  network: {
    name: "net",
    driver: "bridge",
    labels: [
      { label: "a", value: "1" },
      { label: "b", value: "2" },
    ],
    options: { "com.docker.network.bridge.enable_ip_masquerade": "false" },
    ipamConfigs: [
      {
        subnet: "198.18.0.0/29",
        gateway: "198.18.0.1",
        auxAddress: { DefaultGatewayIPv4: "198.18.0.6" },
      },
    ],
  },
  volume: {
    name: "vol",
    driverOpts: { type: "tmpfs", device: "tmpfs", o: "uid=65534" },
    labels: [{ label: "a", value: "1" }],
  },
  image: { name: "image:1", keepLocally: true },
  container: {
    name: "c",
    image: "image:1",
    entrypoints: ["sh", "-c", 'exec "$@"', "sh"],
    command: ["sleep", "1000"],
    user: "65534:65534",
    groupAdds: ["998", "999"],
    envs: ["A=1", "B=2"],
    runtime: "runc",
    deviceRequests: [{ driver: "nvidia", count: -1, capabilities: ["gpu"] }],
    pidMode: "host",
    cgroupnsMode: "host",
    restart: "unless-stopped",
    readOnly: true,
    capabilities: { drops: ["ALL"], adds: ["CAP_SYSLOG"] },
    securityOpts: ["no-new-privileges:true", "label=disable"],
    memory: 64,
    memorySwap: 64,
    cpus: "0.5",
    logDriver: "json-file",
    logOpts: { "max-size": "10m", "max-file": "3" },
    healthcheck: { tests: ["CMD", "true"], interval: "30s", timeout: "5s", retries: 3, startPeriod: "30s" },
    ports: [
      { internal: 8080, external: 28181, ip: "127.0.0.1" },
      { internal: 8081, external: 28182, ip: "127.0.0.1" },
    ],
    volumes: [
      { volumeName: "vol", containerPath: "/data" },
      { hostPath: "/proc", containerPath: "/rootfs/proc", readOnly: true },
    ],
    devices: [{ hostPath: "/dev/kmsg", containerPath: "/dev/kmsg", permissions: "r" }],
    networksAdvanced: [{ name: "net", aliases: ["x", "y"] }],
    labels: [
      { label: "a", value: "1" },
      { label: "b", value: "2" },
    ],
    destroyGraceSeconds: 3,
  },
  command: {
    create: "cat; echo out $A",
    environment: { A: "x" },
    stdin: "in\n",
    logging: "stderr",
    triggers: ["k"],
  },
};

export const TYPES: Record<keyof typeof DECLARED, ResourceType> = {
  network,
  volume,
  image: remoteImage,
  container,
  command,
};

/** What the plugin answers when the inputs of a deployed resource change: what it does to it, and for which inputs. */
export function change(kind: keyof typeof DECLARED, changes: Values): { does: string; to: string[] } {
  const type = TYPES[kind];
  const complete = (inputs: Values) => check(type, kind, {}, inputs).inputs;
  const news = Object.entries({ ...DECLARED[kind], ...changes }).filter(([, value]) => value !== undefined);
  const state = {
    ...complete(DECLARED[kind]),
    ...(kind === "network" && { internal: false, scope: "local" }),
  };
  const { changed, replaces } = diff(type, state, complete(Object.fromEntries(news)));
  return { does: replaces.length > 0 ? "replace" : changed.length > 0 ? "update" : "nothing", to: changed };
}

/** The reasons for which inputs are refused, by the input's name. */
export function refusals(kind: keyof typeof DECLARED, changes: Values): Record<string, string> {
  const { failures } = check(TYPES[kind], kind, {}, { ...DECLARED[kind], ...changes });
  return Object.fromEntries(failures.map(({ property, reason }) => [property, reason]));
}
