import * as pulumi from "@pulumi/pulumi";
import type { ResourceNames } from "./conflicts";

interface StateResource {
  type: string;
  outputs?: { name?: string };
}

/** The names of the Docker resources in the stack's own state, as it was before this update. */
export async function ownResources(): Promise<ResourceNames> {
  const stackName = [pulumi.getOrganization(), pulumi.getProject(), pulumi.getStack()].join("/");
  // The engine's function behind StackReference, for resources. Source: pulumi/pulumi, pkg/resource/deploy/builtins.go.
  const { outputs = {} } = (await pulumi.runtime.invoke("pulumi:pulumi:readStackResourceOutputs", {
    stackName,
  })) as { outputs?: Record<string, StateResource> };
  const named = (type: string) =>
    Object.values(outputs).flatMap((resource) =>
      resource.type === type && resource.outputs?.name ? resource.outputs.name : [],
    );
  return {
    containers: named("docker:index/container:Container"),
    networks: named("docker:index/network:Network"),
    volumes: named("docker:index/volume:Volume"),
  };
}
