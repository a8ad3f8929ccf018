import type { ContainerInspectInfo } from "dockerode";
import { check } from "../../../airgap/plugins/check";
import { diff, drifted } from "../../../airgap/plugins/diff";
import { actualInputs } from "../../../airgap/plugins/docker/containerActual";
import type { ContainerInputs } from "../../../airgap/plugins/docker/containerInputs";
import { createOptions } from "../../../airgap/plugins/docker/containerOptions";
import { DECLARED, TYPES } from "./fixtures";

/** What `docker inspect` says of the declared container, as Docker 20.10 does; with some of it changed. */
function inspected(change: (info: ContainerInspectInfo) => void, declared: object = {}) {
  const inputs = check(TYPES.container, "c", {}, { ...DECLARED.container, ...declared }).inputs;
  const { HostConfig, name = "", ...Config } = createOptions(inputs as unknown as ContainerInputs);
  const info = {
    Name: `/${name}`,
    Image: "sha256:1",
    Config,
    HostConfig,
    State: { Running: true },
    NetworkSettings: { Ports: HostConfig?.PortBindings as unknown, Networks: {} },
  } as unknown as ContainerInspectInfo;
  change(info);
  const state = drifted(TYPES.container, inputs, actualInputs(info, inputs));
  return diff(TYPES.container, state, inputs);
}

test("a container that is as declared has not drifted", () => {
  expect(inspected(() => undefined).changed).toEqual([]);
});

test("what the program leaves to the daemon does not drift", () => {
  const declared = {
    entrypoints: undefined,
    command: undefined,
    user: undefined,
    healthcheck: undefined,
    ports: undefined,
  };
  const change = ({ Config, HostConfig }: ContainerInspectInfo) => {
    Object.assign(Config, { Entrypoint: ["x"], Cmd: ["x"], User: "1", Healthcheck: { Test: ["CMD", "x"] } });
    HostConfig.ReadonlyRootfs = true;
  };
  expect(inspected(change, declared).changed).toEqual([]);
  expect(
    inspected(() => undefined, { ports: [{ internal: 1 }], devices: [{ hostPath: "/dev/x" }] }).changed,
  ).toEqual([]);
});

test("a limit on swap that the daemon derives from the one on memory shows as a change, as with the official plugin", () => {
  const derived = ({ HostConfig }: ContainerInspectInfo) => (HostConfig.MemorySwap = 128 * 2 ** 20);
  expect(inspected(derived, { memorySwap: undefined })).toMatchObject({
    changed: ["memorySwap"],
    replaces: [],
  });
});

test("a stopped container is started again by being replaced, since it has lost its ports", () => {
  const stopped = inspected((info) => {
    info.State.Running = false;
    info.NetworkSettings.Ports = {};
  });
  expect(stopped).toEqual({ changed: ["mustRun", "ports"], replaces: ["ports"], deleteBeforeReplace: true });
});

test("limits and policies that somebody changed are found, and set back in place", () => {
  const changed = inspected(({ HostConfig }) => {
    Object.assign(HostConfig, { Memory: 80 * 2 ** 20, MemorySwap: -1, RestartPolicy: { Name: "always" } });
  });
  expect(changed).toMatchObject({ changed: ["restart", "memory", "memorySwap"], replaces: [] });
});

test("a declaration that the daemon writes in another way is replaced time and again, as with the official plugin", () => {
  expect(inspected(() => undefined, { cpus: "1" }).replaces).toEqual(["cpus"]);
  expect(inspected(() => undefined, { cpus: "1.0" }).replaces).toEqual([]);
  expect(inspected(() => undefined, { capabilities: { adds: ["SYSLOG"] } }).replaces).toEqual([
    "capabilities",
  ]);
  expect(
    inspected(() => undefined, { healthcheck: { tests: ["CMD", "x"], interval: "60s" } }).changed,
  ).toEqual(["healthcheck"]);
});
