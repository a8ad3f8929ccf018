import type { ContainerCreateOptions, HostConfig } from "dockerode";
import { nanoseconds, type ContainerInputs } from "./containerInputs";
import { labelMap } from "./engine";

const MEBI = 1024 ** 2;

/** What the daemon is asked for. Source: docker/docs, Engine API, `POST /containers/create`. */
export function createOptions(inputs: ContainerInputs): ContainerCreateOptions {
  const { healthcheck: health, ports = [], volumes = [], devices = [], logOpts, cpus } = inputs;
  return {
    name: inputs.name,
    Image: inputs.image,
    ...(inputs.entrypoints && { Entrypoint: inputs.entrypoints }),
    ...(inputs.command && { Cmd: inputs.command }),
    ...(inputs.user && { User: inputs.user }),
    ...(inputs.envs && { Env: inputs.envs }),
    Labels: labelMap(inputs.labels),
    Volumes: Object.fromEntries(volumes.map(({ containerPath }) => [containerPath, {}])),
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
      ...(inputs.runtime && { Runtime: inputs.runtime }),
      ...(inputs.groupAdds && { GroupAdd: inputs.groupAdds }),
      ...(inputs.pidMode && { PidMode: inputs.pidMode }),
      ...(inputs.cgroupnsMode && { CgroupnsMode: inputs.cgroupnsMode as "host" | "private" }),
      ...(inputs.deviceRequests && { DeviceRequests: inputs.deviceRequests.map(deviceRequest) }),
      RestartPolicy: { Name: inputs.restart },
      ReadonlyRootfs: inputs.readOnly ?? false,
      CapAdd: capabilities(inputs.capabilities?.adds),
      CapDrop: capabilities(inputs.capabilities?.drops),
      SecurityOpt: inputs.securityOpts ?? [],
      ...memoryLimits(inputs),
      NanoCpus: Math.round(Number(cpus ?? 0) * 1e9),
      LogConfig: { Type: inputs.logDriver ?? "", Config: logOpts ?? {} },
      PortBindings: portBindings(ports),
      Binds: volumes.flatMap(({ hostPath, volumeName, containerPath, readOnly }) => {
        const source = hostPath ?? volumeName;
        return source ? [`${source}:${containerPath}:${readOnly ? "ro" : "rw"}`] : [];
      }),
      Devices: devices.map(({ hostPath, containerPath = hostPath, permissions }) => ({
        PathOnHost: hostPath,
        PathInContainer: containerPath,
        CgroupPermissions: permissions,
      })),
      Init: false,
    },
  };
}

/** As the official plugin asks for devices: all capabilities in one set. */
const deviceRequest = ({
  driver,
  count,
  deviceIds = [],
  capabilities: named = [],
}: NonNullable<ContainerInputs["deviceRequests"]>[number]) => ({
  Driver: driver,
  Count: count,
  DeviceIDs: deviceIds,
  Capabilities: [named],
  Options: {},
});

/** As the Docker client of the official plugin sends them: `ALL`, or with the prefix `CAP_`. */
const capabilities = (names: string[] = []): string[] =>
  names.map((name) => (/^(ALL|CAP_.*)$/.test(name) ? name : `CAP_${name}`));

/** The limits that an update can change too. */
export function memoryLimits(
  inputs: Pick<ContainerInputs, "memory" | "memorySwap">,
): Pick<HostConfig, "Memory" | "MemorySwap"> {
  const { memory = 0, memorySwap = 0 } = inputs;
  return { Memory: memory * MEBI, MemorySwap: memorySwap > 0 ? memorySwap * MEBI : memorySwap };
}

/** MiB of a limit in bytes; -1 is none. */
export const mebibytes = (bytes = 0): number => (bytes > 0 ? Math.floor(bytes / MEBI) : bytes);

type Port = NonNullable<ContainerInputs["ports"]>[number];

const portKey = ({ internal, protocol }: Port): string => `${internal}/${protocol}`;

function portBindings(ports: Port[]): Record<string, { HostIp: string; HostPort: string }[]> {
  const bindings: Record<string, { HostIp: string; HostPort: string }[]> = {};
  for (const port of ports)
    (bindings[portKey(port)] ??= []).push({ HostIp: port.ip, HostPort: String(port.external ?? 0) });
  return bindings;
}
