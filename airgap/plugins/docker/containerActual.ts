import type { ContainerInspectInfo, HostConfig } from "dockerode";
import type { Values } from "../values";
import { goDuration, type ContainerInputs } from "./containerInputs";
import { mebibytes } from "./containerOptions";

/**
 * What the container's inputs are on the host. As with the official plugin, labels, volumes and networks are not read
 * back; a container that does not run shows as `mustRun: false` and has no ports.
 */
export function actualInputs(info: ContainerInspectInfo, declared: Partial<ContainerInputs>): Values {
  const { Config: config, HostConfig: hostConfig } = info;
  const { CapAdd: adds, CapDrop: drops } = hostConfig as Record<"CapAdd" | "CapDrop", string[] | null>;
  const { NanoCpus: nanoCpus } = hostConfig;
  const stopped = !info.State.Running && declared.mustRun !== false;
  return {
    name: info.Name.replace(/^\//, ""),
    image: declared.image?.startsWith("sha256:") ? info.Image : config.Image,
    entrypoints: config.Entrypoint,
    command: config.Cmd,
    user: config.User,
    groupAdds: hostConfig.GroupAdd,
    runtime: hostConfig.Runtime,
    ...(declared.pidMode && { pidMode: hostConfig.PidMode }),
    ...(declared.deviceRequests && { deviceRequests: actualDeviceRequests(hostConfig.DeviceRequests) }),
    restart: hostConfig.RestartPolicy?.Name,
    ...(stopped && { mustRun: false }),
    readOnly: hostConfig.ReadonlyRootfs,
    ...((adds ?? drops) && { capabilities: { ...(adds && { adds }), ...(drops && { drops }) } }),
    securityOpts: hostConfig.SecurityOpt as string[] | null,
    memory: mebibytes(hostConfig.Memory),
    memorySwap: mebibytes(hostConfig.MemorySwap),
    ...(nanoCpus && { cpus: decimal(nanoCpus / 1e9) }),
    logDriver: hostConfig.LogConfig?.Type,
    ...(declared.logOpts && { logOpts: hostConfig.LogConfig?.Config as Record<string, string> | undefined }),
    ...(config.Healthcheck && { healthcheck: actualHealthcheck(config.Healthcheck) }),
    ...(declared.ports && (info.State.Running || stopped) && { ports: actualPorts(info, declared.ports) }),
    ...(declared.devices && { devices: actualDevices(info, declared.devices) }),
  };
}

/** As the official plugin writes a number: `0.5`, `1.0`. */
const decimal = (value: number): string => (Number.isInteger(value) ? value.toFixed(1) : String(value));

function actualHealthcheck(health: NonNullable<ContainerInspectInfo["Config"]["Healthcheck"]>): Values {
  return {
    tests: health.Test,
    interval: goDuration(health.Interval),
    timeout: goDuration(health.Timeout),
    startPeriod: goDuration(health.StartPeriod),
    startInterval: "0s",
    retries: health.Retries,
  };
}

/** The published ports; one that the daemon chose is left out, as it was not declared. */
function actualPorts(info: ContainerInspectInfo, declared: NonNullable<ContainerInputs["ports"]>): Values[] {
  type Bindings = Record<string, { HostIp: string; HostPort: string }[] | null>;
  return Object.entries(info.NetworkSettings.Ports as Bindings).flatMap(([key, bindings]) => {
    const [internal, protocol] = key.split("/");
    const chosen = declared.some((port) => port.internal === Number(internal) && !port.external);
    return (bindings ?? []).map(({ HostIp: ip, HostPort }) => ({
      internal: Number(internal),
      ...(!chosen && { external: Number(HostPort) }),
      ip,
      protocol,
    }));
  });
}

const actualDeviceRequests = (requests: HostConfig["DeviceRequests"]): Values[] =>
  (requests ?? []).map(
    ({ Driver: driver, Count: count, DeviceIDs: deviceIds, Capabilities: [capabilities] = [] }) => ({
      driver,
      count,
      ...(deviceIds?.length && { deviceIds }),
      ...(capabilities?.length && { capabilities }),
    }),
  );

/** The devices; a path in the container that is the host's is left out where it was not declared. */
function actualDevices(
  info: ContainerInspectInfo,
  declared: NonNullable<ContainerInputs["devices"]>,
): Values[] {
  type Device = Record<"PathOnHost" | "PathInContainer" | "CgroupPermissions", string>;
  return ((info.HostConfig.Devices as Device[] | null) ?? []).map((device) => {
    const { PathOnHost: hostPath, PathInContainer: containerPath, CgroupPermissions: permissions } = device;
    const unsaid = declared.some((one) => one.hostPath === hostPath && !one.containerPath);
    return { hostPath, ...(!(unsaid && containerPath === hostPath) && { containerPath }), permissions };
  });
}

/**
 * What programs use of a container beyond its inputs, and what the official plugin has to find in the state lest it replaces
 * the container when it takes over.
 */
export function outputsOf(info: ContainerInspectInfo, declared: Partial<ContainerInputs>): Values {
  return {
    attach: false,
    entrypoints: info.Config.Entrypoint ?? [],
    ...(!declared.envs && { envs: [] }),
    logs: false,
    memoryReservation: 0,
    rm: false,
    stdinOpen: false,
    tty: false,
    wait: false,
    networkDatas: Object.entries(info.NetworkSettings.Networks).map(([networkName, data]) => ({
      networkName,
      ipAddress: data.IPAddress,
      ipPrefixLength: data.IPPrefixLen,
      gateway: data.Gateway,
      globalIpv6Address: data.GlobalIPv6Address,
      globalIpv6PrefixLength: data.GlobalIPv6PrefixLen,
      ipv6Gateway: data.IPv6Gateway,
      macAddress: data.MacAddress,
    })),
  };
}
