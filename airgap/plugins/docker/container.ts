import type { ContainerCreateOptions, ContainerInspectInfo, HostConfig } from "dockerode";
import type { Input, ResourceType } from "../plugin";
import type { Values } from "../values";
import { engine, found, labelMap, type Label } from "./engine";
import { ensureImage } from "./remoteImage";

const MEBI = 1024 ** 2;
const update: Input = { on: "update" };
const replace: Input = { on: "replace" };
const replacedItems = (...keys: string[]): Input => ({ on: "replace", keys, set: true });

/** The inputs of a container, as the official plugin names them. */
interface ContainerInputs {
  name: string;
  image: string;
  command?: string[];
  user?: string;
  labels?: Label[];
  restart?: string;
  mustRun?: boolean;
  readOnly?: boolean;
  capabilities?: { adds?: string[]; drops?: string[] };
  securityOpts?: string[];
  /** In MiB, as is memorySwap. */
  memory?: number;
  memorySwap?: number;
  cpus?: string;
  logDriver?: string;
  logOpts?: Record<string, string>;
  healthcheck?: {
    tests: string[];
    interval?: string;
    timeout?: string;
    retries?: number;
    startPeriod?: string;
  };
  ports?: { internal: number; external?: number; ip?: string; protocol?: string }[];
  volumes?: { containerPath: string; hostPath?: string; volumeName?: string; readOnly?: boolean }[];
  devices?: { hostPath: string; containerPath?: string; permissions?: string }[];
  networksAdvanced?: { name: string; aliases?: string[] }[];
  destroyGraceSeconds?: number;
}

/** `docker.Container`. */
export const container: ResourceType = {
  inputs: {
    name: replace,
    image: replace,
    command: replace,
    user: replace,
    labels: replacedItems("label", "value"),
    restart: update,
    mustRun: update,
    readOnly: replace,
    capabilities: { on: "replace", keys: ["adds", "drops"] },
    securityOpts: { on: "replace", set: true },
    memory: update,
    memorySwap: update,
    cpus: replace,
    logDriver: replace,
    logOpts: replace,
    healthcheck: { on: "update", keys: ["tests", "interval", "timeout", "retries", "startPeriod"] },
    ports: { on: "replace", keys: ["internal", "external", "ip", "protocol"] },
    volumes: replacedItems("containerPath", "hostPath", "volumeName", "readOnly"),
    devices: replacedItems("hostPath", "containerPath", "permissions"),
    networksAdvanced: replacedItems("name", "aliases"),
    destroyGraceSeconds: update,
  },
  defaults: { mustRun: true },

  async create(values) {
    const inputs = values as unknown as ContainerInputs;
    await ensureImage(inputs.image);
    const created = await engine.createContainer(createOptions(inputs));
    try {
      for (const { name, aliases } of inputs.networksAdvanced ?? []) {
        await disconnectFromBridge(created.id);
        await engine
          .getNetwork(name)
          .connect({ Container: created.id, EndpointConfig: { Aliases: aliases ?? [] } });
      }
      await created.start();
    } catch (error) {
      // The engine keeps the container that did not start in its state, so that the next update can mend or remove it.
      const reason = `Unable to start container: ${(error as Error).message}`;
      throw Object.assign(new Error(reason), { id: created.id, properties: values, reasons: [reason] });
    }
    return { id: created.id, outputs: outputsOf(await created.inspect()) };
  },

  async read(id, state) {
    const info = await found(engine.getContainer(id).inspect());
    return (
      info && { inputs: actualInputs(info, state as unknown as ContainerInputs), outputs: outputsOf(info) }
    );
  },

  async update(id, olds, values) {
    const before = olds as unknown as ContainerInputs;
    const inputs = values as unknown as ContainerInputs;
    const target = engine.getContainer(id);
    if (
      before.memory !== inputs.memory ||
      before.memorySwap !== inputs.memorySwap ||
      before.restart !== inputs.restart
    )
      await target.update({ ...memoryLimits(inputs), RestartPolicy: { Name: inputs.restart ?? "no" } });
    if (inputs.mustRun !== false && !(await target.inspect()).State.Running) await target.start();
    return outputsOf(await target.inspect());
  },

  async delete(id, state) {
    const target = engine.getContainer(id);
    await stop(target.stop({ t: (state["destroyGraceSeconds"] as number | undefined) ?? 0 }));
    await found(target.remove({ v: true, force: true }));
  },
};

/** A container that is stopped already (304) or gone (404) is fine. */
async function stop(stopping: Promise<unknown>): Promise<void> {
  await stopping.catch((error: unknown) => {
    if (![304, 404].includes((error as { statusCode?: number }).statusCode ?? 0)) throw error;
  });
}

/** The daemon puts every container on its default bridge first. */
async function disconnectFromBridge(id: string): Promise<void> {
  await engine
    .getNetwork("bridge")
    .disconnect({ Container: id })
    .catch((error: unknown) => {
      if (!(error as Error).message.includes("is not connected")) throw error;
    });
}

function createOptions(inputs: ContainerInputs): ContainerCreateOptions {
  const { healthcheck: health, ports = [] } = inputs;
  return {
    name: inputs.name,
    Image: inputs.image,
    ...(inputs.command && { Cmd: inputs.command }),
    ...(inputs.user !== undefined && { User: inputs.user }),
    Labels: labelMap(inputs.labels),
    Volumes: Object.fromEntries((inputs.volumes ?? []).map(({ containerPath }) => [containerPath, {}])),
    ExposedPorts: Object.fromEntries(ports.map((port) => [portKey(port), {}])),
    ...(health && {
      Healthcheck: {
        Test: health.tests,
        Interval: nanoseconds(health.interval),
        Timeout: nanoseconds(health.timeout),
        StartPeriod: nanoseconds(health.startPeriod),
        Retries: health.retries ?? 0,
      },
    }),
    HostConfig: {
      NetworkMode: "bridge",
      RestartPolicy: { Name: inputs.restart ?? "no" },
      ReadonlyRootfs: inputs.readOnly ?? false,
      CapAdd: capabilities(inputs.capabilities?.adds),
      CapDrop: capabilities(inputs.capabilities?.drops),
      SecurityOpt: inputs.securityOpts ?? [],
      ...memoryLimits(inputs),
      NanoCpus: Math.round(Number(inputs.cpus ?? 0) * 1e9),
      LogConfig: { Type: inputs.logDriver ?? "", Config: inputs.logOpts ?? {} },
      PortBindings: Object.fromEntries(
        ports.map((port) => [
          portKey(port),
          [
            {
              HostIp: port.ip ?? "0.0.0.0",
              HostPort: port.external === undefined ? "" : String(port.external),
            },
          ],
        ]),
      ),
      Binds: (inputs.volumes ?? []).map(
        (v) => `${v.hostPath ?? v.volumeName ?? ""}:${v.containerPath}:${v.readOnly ? "ro" : "rw"}`,
      ),
      Devices: (inputs.devices ?? []).map((device) => ({
        PathOnHost: device.hostPath,
        PathInContainer: device.containerPath ?? device.hostPath,
        CgroupPermissions: device.permissions ?? "rwm",
      })),
    },
  };
}

const portKey = ({ internal, protocol = "tcp" }: { internal: number; protocol?: string }) =>
  `${internal}/${protocol}`;

function memoryLimits({
  memory = 0,
  memorySwap = 0,
}: ContainerInputs): Pick<HostConfig, "Memory" | "MemorySwap"> {
  return { Memory: memory * MEBI, MemorySwap: memorySwap > 0 ? memorySwap * MEBI : memorySwap };
}

/** As the official plugin hands them to the daemon: `ALL`, or with the prefix `CAP_`. */
const capabilities = (names: string[] = []) =>
  names.map((name) => (/^(ALL|CAP_.*)$/.test(name) ? name : `CAP_${name}`));

/** As the official plugin writes a number of CPUs: `0.5`, `1.0`. */
const cpusText = (nano = 0) => (nano % 1e9 === 0 ? (nano / 1e9).toFixed(1) : String(nano / 1e9));

/** Nanoseconds of a Go duration such as "1m30s" or "500ms". */
function nanoseconds(duration = "0s"): number {
  const units = { ms: 1e6, s: 1e9, m: 60e9, h: 3600e9 } as const;
  return [...duration.matchAll(/([\d.]+)(ms|s|m|h)/g)].reduce(
    (sum, [, n, unit]) => sum + Number(n) * units[unit as keyof typeof units],
    0,
  );
}

/**
 * What the container's inputs are on the host. As with the official plugin, labels, volumes and networks are not read
 * back; a container that does not run shows as `mustRun: false` and has no ports.
 */
function actualInputs(info: ContainerInspectInfo, declared: ContainerInputs): Values {
  const { Config: config, HostConfig: hostConfig } = info;
  const defined = (key: keyof ContainerInputs, value: unknown) =>
    declared[key] === undefined ? {} : { [key]: value };
  const nonEmpty = (key: string, list: string[] | null | undefined) => (list?.length ? { [key]: list } : {});
  const mebibytes = (bytes = 0) => (bytes > 0 ? Math.floor(bytes / MEBI) : bytes);
  const health = config.Healthcheck;
  const sameHealth =
    declared.healthcheck &&
    health?.Interval === nanoseconds(declared.healthcheck.interval) &&
    health.Timeout === nanoseconds(declared.healthcheck.timeout) &&
    health.StartPeriod === nanoseconds(declared.healthcheck.startPeriod) &&
    health.Retries === declared.healthcheck.retries;
  return {
    name: info.Name.replace(/^\//, ""),
    image: config.Image,
    ...defined("command", config.Cmd),
    ...defined("user", config.User),
    ...defined("restart", hostConfig.RestartPolicy?.Name),
    ...(!info.State.Running && declared.mustRun !== false && { mustRun: false }),
    ...defined("readOnly", hostConfig.ReadonlyRootfs),
    ...defined("capabilities", {
      ...nonEmpty("adds", hostConfig.CapAdd as string[] | null),
      ...nonEmpty("drops", hostConfig.CapDrop as string[] | null),
    }),
    ...defined("securityOpts", hostConfig.SecurityOpt),
    ...defined("memory", mebibytes(hostConfig.Memory)),
    ...defined("memorySwap", mebibytes(hostConfig.MemorySwap)),
    ...defined("cpus", cpusText(hostConfig.NanoCpus)),
    ...defined("logDriver", hostConfig.LogConfig?.Type),
    ...defined("logOpts", hostConfig.LogConfig?.Config),
    ...(sameHealth
      ? { healthcheck: { ...declared.healthcheck, tests: health.Test } }
      : defined("healthcheck", health)),
    ...defined("ports", actualPorts(info, declared)),
    ...defined(
      "devices",
      (
        (hostConfig.Devices as
          { PathOnHost: string; PathInContainer: string; CgroupPermissions: string }[] | null) ?? []
      ).map((device) => ({
        hostPath: device.PathOnHost,
        containerPath: device.PathInContainer,
        permissions: device.CgroupPermissions,
      })),
    ),
  };
}

/** The published ports, without the protocol where the declaration leaves it to the default. */
function actualPorts(info: ContainerInspectInfo, { ports = [] }: ContainerInputs): Values[] {
  return Object.entries(
    info.NetworkSettings.Ports as Record<string, { HostIp: string; HostPort: string }[] | null>,
  ).flatMap(([key, bindings]) => {
    const [internal, protocol] = key.split("/");
    return (bindings ?? []).map(({ HostIp, HostPort }) => ({
      internal: Number(internal),
      external: Number(HostPort),
      ip: HostIp,
      ...(ports.some((port) => port.protocol !== undefined) && { protocol }),
    }));
  });
}

function outputsOf(info: ContainerInspectInfo): Values {
  return {
    networkDatas: Object.entries(info.NetworkSettings.Networks).map(([networkName, data]) => ({
      networkName,
      ipAddress: data.IPAddress,
      ipPrefixLength: data.IPPrefixLen,
      gateway: data.Gateway,
      macAddress: data.MacAddress,
    })),
  };
}
