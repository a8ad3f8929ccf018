import * as pulumi from "@pulumi/pulumi";
import { load } from "js-yaml";
import { ContainerMetrics } from "../../components/containerMetrics";
import type { HostFacts, HostNetwork } from "../../host/facts";
import { gpuPlan } from "../../components/exporter";
import type { PrometheusConfig } from "../../prometheus/config";
import type { Settings } from "../../settings";
import { settings } from "./settings";

/** A resource, as the program declared it. */
interface Declared {
  type: string;
  name: string;
  inputs: Record<string, unknown>;
}
/** What {@link declare} declared last. */
export let declared: Declared[] = [];

export const host: HostFacts = {
  name: "llm-1",
  rootDirectory: "/data/docker",
  address: "unix:///run/docker.sock",
  dockerSocket: "/run/docker.sock",
  socketGroup: 998,
  kernelLog: true,
  selinux: false,
  unaccounted: [],
};
export const runtime: Partial<HostFacts> = { gpus: { runtime: "nvidia" } };

beforeAll(async () => {
  await pulumi.runtime.setMocks({
    newResource: ({ type, name, id, inputs }) => {
      declared.push({ type, name, inputs: inputs as Record<string, unknown> });
      const stdout = JSON.stringify({ at: "now", findings: [] });
      // Docker chooses the subnet of a network that has none.
      const ipamConfigs = [{ subnet: "172.18.0.0/16" }];
      return { id: id || `${name}-id`, state: { ipamConfigs, ...(inputs as object), stdout } };
    },
    call: ({ inputs }) => inputs as Record<string, unknown>,
  });
});

/** Declares the stack of an environment and gives the component and what it declared. */
export async function declare(
  changes: Partial<Record<keyof Settings, unknown>> = {},
  {
    failure,
    llmNetworks = [],
    ...facts
  }: Partial<HostFacts> & { failure?: string; llmNetworks?: readonly HostNetwork[] } = {},
  environment = "dev",
  configurationDrift = "",
  encrypted?: readonly string[],
) {
  declared = [];
  // Pulumi's SDK records the stack of each promise and of each resource, which Jest translates: most of the time of a test.
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  const stack = new ContainerMetrics(`llm-metrics-${environment}`, {
    settings: settings(changes, encrypted),
    environment,
    host: { ...host, ...facts },
    gpu: gpuPlan(settings(changes, encrypted).gpu, { ...host, ...facts }, failure),
    llmNetworks,
    configurationDrift,
  });
  await new Promise((resolve) => stack.report.apply(resolve));
  Error.stackTraceLimit = stackTraceLimit;
  const find = (type: string, suffix: string) => {
    const resource = declared.find((r) => r.type === type && r.name.endsWith(suffix));
    if (!resource) throw new Error(`${suffix} is not declared`);
    return resource.inputs;
  };
  return {
    stack,
    cadvisor: find("docker:index/container:Container", "cadvisor-container"),
    prometheus: find("docker:index/container:Container", "prometheus-container"),
    gateway: find("docker:index/container:Container", "gateway-container"),
    network: find("docker:index/network:Network", `llm-metrics-${environment}-network`),
    publishedNetwork: find("docker:index/network:Network", "gateway-network"),
    configuration: find("command:local:Command", "configuration"),
    probe: find("command:local:Command", "probe-command"),
  };
}

/** The files that the configuration step loads, and of them prometheus.yml. */
export const files = (configuration: Record<string, unknown>) =>
  load(configuration["stdin"] as string) as Record<string, string>;
export const prometheusYml = (configuration: Record<string, unknown>) =>
  load(files(configuration)["prometheus.yml"] ?? "") as PrometheusConfig;

/** What a container of the stack was declared with, by its name without the stack's. */
export const containerInputs = (resource: string) =>
  declared.find(({ name }) => new RegExp(`^llm-metrics-\\w+-${resource}$`).test(name))?.inputs ?? {};
