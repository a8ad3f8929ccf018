import { diff } from "../../../airgap/plugins/diff";
import { secret, type Values } from "../../../airgap/plugins/values";
import { change, DECLARED, TYPES } from "./fixtures";

const { container, network } = DECLARED;
const [first, second] = container.ports;

/** What the official plugins, docker 5.2.0 and command 1.2.1, do with each change of {@link DECLARED}. */
const OFFICIAL: [keyof typeof DECLARED, Values, "nothing" | "update" | "replace"][] = [
  ["network", { name: "other" }, "replace"],
  ["network", { driver: "macvlan" }, "replace"],
  ["network", { driver: undefined }, "nothing"],
  ["network", { labels: [{ label: "a", value: "9" }, network.labels[1]] }, "replace"],
  ["network", { labels: [...network.labels].reverse() }, "nothing"],
  ["network", { labels: undefined }, "replace"],
  ["network", { options: { "com.docker.network.bridge.enable_ip_masquerade": "true" } }, "replace"],
  ["network", { options: undefined }, "nothing"],
  ["network", { ipamConfigs: [{ subnet: "198.18.0.8/29", gateway: "198.18.0.9" }] }, "replace"],
  ["network", { ipamConfigs: [{ ...network.ipamConfigs[0], auxAddress: undefined }] }, "replace"],
  ["network", { ipamConfigs: undefined }, "nothing"],
  ["network", { internal: true }, "replace"],
  ["network", { internal: false }, "nothing"],
  ["volume", { name: "other" }, "replace"],
  ["volume", { driverOpts: { ...DECLARED.volume.driverOpts, o: "uid=0" } }, "replace"],
  ["volume", { driverOpts: undefined }, "replace"],
  ["volume", { labels: [{ label: "a", value: "9" }] }, "replace"],
  ["volume", { labels: undefined }, "replace"],
  ["image", { name: "image:2" }, "replace"],
  ["image", { keepLocally: false }, "update"],
  ["image", { keepLocally: undefined }, "update"],
  ["container", { name: "other" }, "replace"],
  ["container", { image: "image:2" }, "replace"],
  ["container", { entrypoints: ["sh"] }, "replace"],
  ["container", { entrypoints: undefined }, "nothing"],
  ["container", { command: ["sleep", "2000"] }, "replace"],
  ["container", { command: undefined }, "nothing"],
  ["container", { user: "1:1" }, "replace"],
  ["container", { user: undefined }, "nothing"],
  ["container", { groupAdds: ["998"] }, "replace"],
  ["container", { groupAdds: ["999", "998"] }, "nothing"],
  ["container", { groupAdds: undefined }, "replace"],
  ["container", { envs: ["A=1", "B=3"] }, "replace"],
  ["container", { envs: ["B=2", "A=1"] }, "nothing"],
  ["container", { envs: undefined }, "nothing"],
  ["container", { runtime: "other" }, "replace"],
  ["container", { runtime: undefined }, "nothing"],
  ["container", { deviceRequests: [{ ...container.deviceRequests[0], count: 1 }] }, "replace"],
  ["container", { deviceRequests: [{ ...container.deviceRequests[0], driver: undefined }] }, "replace"],
  ["container", { deviceRequests: [{ driver: "cdi", deviceIds: ["nvidia.com/gpu=all"] }] }, "replace"],
  ["container", { deviceRequests: undefined }, "replace"],
  ["container", { pidMode: undefined }, "replace"],
  ["container", { cgroupnsMode: "private" }, "replace"],
  ["container", { cgroupnsMode: undefined }, "replace"],
  ["container", { restart: "always" }, "update"],
  ["container", { restart: undefined }, "update"],
  ["container", { readOnly: false }, "replace"],
  ["container", { readOnly: undefined }, "replace"],
  ["container", { capabilities: { drops: ["ALL"], adds: ["CAP_NET_RAW"] } }, "replace"],
  ["container", { capabilities: { drops: ["ALL"], adds: ["SYSLOG"] } }, "replace"],
  ["container", { capabilities: { drops: ["ALL"] } }, "replace"],
  ["container", { capabilities: undefined }, "replace"],
  ["container", { securityOpts: ["no-new-privileges"] }, "replace"],
  ["container", { securityOpts: undefined }, "nothing"],
  ["container", { memory: 48 }, "update"],
  ["container", { memory: undefined }, "update"],
  ["container", { memorySwap: 128 }, "update"],
  ["container", { memorySwap: undefined }, "update"],
  ["container", { cpus: "1.0" }, "replace"],
  ["container", { cpus: "0.50" }, "replace"],
  ["container", { cpus: undefined }, "replace"],
  ["container", { logDriver: "local" }, "replace"],
  ["container", { logDriver: undefined }, "nothing"],
  ["container", { logOpts: { "max-size": "20m", "max-file": "3" } }, "replace"],
  ["container", { logOpts: undefined }, "replace"],
  ["container", { healthcheck: { ...container.healthcheck, interval: "10s" } }, "update"],
  ["container", { healthcheck: { ...container.healthcheck, tests: ["CMD", "false"] } }, "update"],
  ["container", { healthcheck: { ...container.healthcheck, startPeriod: "0.5m" } }, "update"],
  ["container", { healthcheck: undefined }, "nothing"],
  ["container", { ports: [{ ...first, external: 1 }, second] }, "replace"],
  ["container", { ports: [{ ...first, ip: "0.0.0.0" }, second] }, "replace"],
  ["container", { ports: [{ ...first, protocol: "udp" }, second] }, "replace"],
  ["container", { ports: [{ ...first, protocol: "tcp" }, second] }, "nothing"],
  ["container", { ports: [second, first] }, "nothing"],
  ["container", { ports: [first] }, "replace"],
  ["container", { ports: undefined }, "replace"],
  ["container", { volumes: container.volumes.map((one) => ({ ...one, readOnly: true })) }, "replace"],
  ["container", { volumes: [{ ...container.volumes[0], readOnly: false }, container.volumes[1]] }, "nothing"],
  ["container", { volumes: [...container.volumes].reverse() }, "nothing"],
  ["container", { volumes: container.volumes.slice(1) }, "replace"],
  ["container", { volumes: undefined }, "replace"],
  ["container", { devices: [{ ...container.devices[0], permissions: "rwm" }] }, "replace"],
  ["container", { devices: [{ ...container.devices[0], permissions: undefined }] }, "replace"],
  ["container", { devices: undefined }, "replace"],
  ["container", { networksAdvanced: [{ name: "net", aliases: ["z"] }] }, "replace"],
  ["container", { networksAdvanced: [{ name: "net", aliases: ["y", "x"] }] }, "nothing"],
  ["container", { networksAdvanced: undefined }, "replace"],
  ["container", { labels: [{ label: "a", value: "9" }, container.labels[1]] }, "replace"],
  ["container", { labels: [...container.labels].reverse() }, "nothing"],
  ["container", { labels: undefined }, "nothing"],
  ["container", { destroyGraceSeconds: 9 }, "update"],
  ["container", { destroyGraceSeconds: undefined }, "update"],
  ["container", { mustRun: false }, "update"],
  ["container", { mustRun: true }, "nothing"],
  ["command", { create: "true" }, "update"],
  ["command", { update: "echo up" }, "update"],
  ["command", { delete: "echo del" }, "update"],
  ["command", { stdin: "in2\n" }, "update"],
  ["command", { stdin: "" }, "update"],
  ["command", { environment: { A: "y" } }, "update"],
  ["command", { environment: { A: "x", B: "" } }, "update"],
  ["command", { environment: { A: secret("x") } }, "update"],
  ["command", { dir: "/" }, "update"],
  ["command", { interpreter: ["/bin/bash", "-c"] }, "update"],
  ["command", { logging: "none" }, "update"],
  ["command", { triggers: ["l"] }, "replace"],
  ["command", { triggers: undefined }, "replace"],
];

test.each(OFFICIAL)(
  "a changed %s does what it does with the official plugin: %j → %s",
  (kind, changes, does) => {
    expect(change(kind, changes)).toEqual({ does, to: does === "nothing" ? [] : Object.keys(changes) });
  },
);

test("every input that a plugin implements is among the changes compared with the official one", () => {
  for (const [kind, { inputs }] of Object.entries(TYPES))
    expect(new Set(OFFICIAL.flatMap(([of, changes]) => (of === kind ? Object.keys(changes) : [])))).toEqual(
      new Set(Object.keys(inputs)),
    );
});

test("a container, and what keeps its name, goes before its replacement comes", () => {
  expect(diff(TYPES.container, container, { ...container, name: "other" }).deleteBeforeReplace).toBe(true);
  expect(diff(TYPES.network, network, { ...network, internal: true }).deleteBeforeReplace).toBe(true);
  expect(diff(TYPES.network, network, { ...network, name: "other" }).deleteBeforeReplace).toBe(false);
  expect(diff(TYPES.command, { triggers: [1] }, { triggers: [2] }).deleteBeforeReplace).toBe(false);
  expect(diff(TYPES.container, container, { ...container, memory: 1 }).deleteBeforeReplace).toBe(false);
});
