import { check } from "../../../airgap/plugins/check";
import { secret } from "../../../airgap/plugins/values";
import { DECLARED, refusals, TYPES } from "./fixtures";

const { container } = DECLARED;
const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";
const checked = (inputs: object) => check(TYPES.container, "c", {}, { ...container, ...inputs });

test("what the program uses is accepted", () => {
  for (const kind of Object.keys(DECLARED) as (keyof typeof DECLARED)[])
    expect(refusals(kind, {})).toEqual({});
});

test.each([
  ["network", { ipv6: true }, "ipv6"],
  ["volume", { driver: "local" }, "driver"],
  ["image", { forceRemove: true }, "forceRemove"],
  ["container", { privileged: true }, "privileged"],
  ["container", { networkMode: "host" }, "networkMode"],
  ["container", { ports: [{ internal: 1, externl: 2 }] }, "ports.externl"],
  ["container", { healthcheck: { tests: ["NONE"], startInterval: "1s" } }, "healthcheck.startInterval"],
  ["container", { labels: secret([{ label: "a", vaule: "b" }]) }, "labels.vaule"],
  ["command", { assetPaths: ["*"] }, "assetPaths"],
] as const)("an input of a %s that is not implemented is refused by its name: %j", (kind, inputs, name) => {
  expect(Object.keys(refusals(kind, inputs))).toEqual([name]);
  expect(refusals(kind, inputs)[name]).toContain(`does not implement the input "${name}"`);
});

test.each([
  [
    { restart: "sometimes" },
    "'sometimes' doesn't match the pattern '^(no|on-failure|always|unless-stopped)$'",
  ],
  [{ memory: -1 }, "'-1' cannot be lower than 0"],
  [{ memorySwap: -2 }, "'-2' cannot be lower than -1"],
  [{ healthcheck: { tests: [], interval: "soon" } }, "'soon' is not a valid duration"],
  [{ healthcheck: { tests: [], retries: -1 } }, "'-1' cannot be lower than 0"],
  [{ volumes: [{ hostPath: "a/b", containerPath: "/c" }] }, "'a/b' must be an absolute path"],
])("a wrong value is refused in the official plugin's words: %j", (inputs, reason) => {
  expect(Object.values(refusals("container", inputs))).toEqual([reason]);
});

test("a value that a preview does not know yet is not refused", () => {
  expect(refusals("container", { restart: UNKNOWN, memory: UNKNOWN, ports: UNKNOWN })).toEqual({});
  expect(refusals("container", { volumes: [{ hostPath: UNKNOWN, containerPath: "/c" }] })).toEqual({});
});

test("what the official plugin adds to the inputs is added, so that either goes on from the other's state", () => {
  expect(
    checked({ restart: undefined, ports: [{ internal: 1 }], devices: [{ hostPath: "/dev/x" }] }).inputs,
  ).toMatchObject({
    containerReadRefreshTimeoutMilliseconds: 15000,
    mustRun: true,
    networkMode: "bridge",
    removeVolumes: true,
    start: true,
    waitTimeout: 60,
    ports: [{ internal: 1, ip: "0.0.0.0", protocol: "tcp" }],
    devices: [{ hostPath: "/dev/x", permissions: "rwm" }],
    healthcheck: { ...container.healthcheck, startInterval: "0s" },
  });
  expect(check(TYPES.network, "n", {}, DECLARED.network).inputs["ipamDriver"]).toBe("default");
});

test("a secret stays one", () => {
  expect(checked({ labels: secret(container.labels), ports: secret(container.ports) }).inputs).toMatchObject({
    labels: secret(container.labels),
    ports: secret(container.ports.map((port) => ({ ...port, protocol: "tcp" }))),
  });
});

test("a missing name is made up once, and kept", () => {
  const { name } = check(TYPES.volume, "data", {}, {}).inputs;
  expect(name).toMatch(/^data-[0-9a-f]{7}$/);
  expect(check(TYPES.volume, "data", { name }, {}).inputs["name"]).toBe(name);
});
