import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { forwarderConfig } from "../caddy/llmForwarder";
import type { HostNetwork } from "../host/facts";
import { SERVERS } from "../lib/names";
import { caddyInputs, createContainer, healthcheck, type Labels } from "./container";

const { alias, port } = SERVERS.llmForwarder;

/** Memory limit in MiB. */
const MEMORY = 64;

export interface LlmForwarderArgs {
  /** Image reference of Caddy, with a tag or digest. */
  image: string;
  /** The stack's network, which it joins under the alias `llm-forwarder`. */
  network: docker.Network;
  /** The user's networks with LLM servers, which it joins as well. */
  networks: readonly HostNetwork[];
  labels: Labels;
}

/**
 * The proxy to LLM servers on networks of their own: it joins these networks, so that Prometheus does not have to, and forwards
 * requests for metrics only.
 */
export class LlmForwarder extends pulumi.ComponentResource {
  readonly container: docker.Container;

  /** @param name also the container's name */
  constructor(name: string, args: LlmForwarderArgs, opts?: pulumi.ComponentResourceOptions) {
    super("llm-metrics:docker:LlmForwarder", name, {}, opts);
    const { image, network, networks, labels } = args;
    this.container = createContainer(this, name, {
      ...caddyInputs(forwarderConfig(networks.flatMap(({ subnets }) => subnets))),
      image,
      memory: MEMORY,
      labels,
      networks: [{ network, aliases: [alias] }, ...networks.map((one) => ({ network: one }))],
      // Its kernel forwards no packets between these networks.
      sysctls: { "net.ipv4.ip_forward": "0" },
      healthcheck: healthcheck(`http://127.0.0.1:${port}/healthz`),
    });
    this.registerOutputs({});
  }
}
