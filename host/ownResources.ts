import * as pulumi from "@pulumi/pulumi";
import type { ResourceNames } from "./conflicts";
import type { GpuAccess } from "./facts";

const CONTAINER = "docker:index/container:Container";

interface StateResource {
  type: string;
  outputs?: {
    name?: string;
    stdin?: string;
    runtime?: string;
    pidMode?: string;
    deviceRequests?: { deviceIds?: string[] }[];
  };
}

/** What the stack's own state has, as it was before this update. */
export interface OwnResources extends ResourceNames {
  /** Why the last update measured no GPUs; undefined where it did, and before the first update. */
  gpuReason?: string | undefined;
  /** How the exporter that is deployed gets its GPUs; undefined where it has none. */
  gpuAccess?: GpuAccess | undefined;
}

/** The names of the Docker resources in the stack's own state, and what the last update found out about GPUs. */
export async function ownResources(): Promise<OwnResources> {
  const stack = `${pulumi.getProject()}-${pulumi.getStack()}`;
  const stackName = [pulumi.getOrganization(), pulumi.getProject(), pulumi.getStack()].join("/");
  // The engine's function behind StackReference, for resources. Source: pulumi/pulumi, pkg/resource/deploy/builtins.go.
  const { outputs = {} } = (await pulumi.runtime.invoke("pulumi:pulumi:readStackResourceOutputs", {
    stackName,
  })) as { outputs?: Record<string, StateResource> };
  const named = (type: string) =>
    Object.values(outputs).flatMap((resource) =>
      resource.type === type && resource.outputs?.name ? resource.outputs.name : [],
    );
  const probe = Object.entries(outputs).find(([urn]) => urn.endsWith("-probe-command"))?.[1];
  const expectation = JSON.parse(probe?.outputs?.stdin ?? "{}") as { gpu?: { reason?: string } };
  const exporter = Object.values(outputs).find(
    ({ type, outputs: container }) => type === CONTAINER && container?.name === `${stack}-exporter`,
  )?.outputs;
  return {
    gpuReason: expectation.gpu?.reason,
    gpuAccess: exporter?.pidMode === "host" ? gpuAccess(exporter) : undefined,
    containers: named(CONTAINER),
    networks: named("docker:index/network:Network"),
    volumes: named("docker:index/volume:Volume"),
  };
}

function gpuAccess({ deviceRequests, runtime = "" }: NonNullable<StateResource["outputs"]>): GpuAccess {
  const cdiDevice = deviceRequests?.[0]?.deviceIds?.[0];
  return cdiDevice ? { cdiDevice } : { runtime };
}
