import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { Expectation, ProbeReport } from "../probes/report";
import { program } from "./command";

export interface HealthProbeArgs {
  /** What the running system has to show. */
  expectation: Expectation;
  /** Address of the Docker daemon, as in DOCKER_HOST. */
  dockerHost: string;
  /** How the gateway is reached, as the programs of probes/ want it in their environment. */
  door: Record<string, pulumi.Input<string>>;
  /** The probe runs again when one of these changes. */
  triggers: pulumi.Input<string>[];
}

/** Asks the running system, after the deploy, what its users will ask; the update fails when an answer is not the expected one. */
export class HealthProbe extends pulumi.ComponentResource {
  /** What was asked and seen. */
  readonly report: pulumi.Output<ProbeReport>;

  constructor(name: string, args: HealthProbeArgs, opts?: pulumi.ComponentResourceOptions) {
    super("llm-metrics:docker:HealthProbe", name, {}, opts);

    const probe = new command.local.Command(
      `${name}-command`,
      {
        ...program("probe", { ...args.door, DOCKER_HOST: args.dockerHost }),
        stdin: JSON.stringify(args.expectation, undefined, 2),
        triggers: args.triggers,
      },
      { parent: this },
    );

    // The report has no secret, whatever the plugin makes of the output of a command that was given one.
    this.report = pulumi.unsecret(probe.stdout).apply((stdout) => JSON.parse(stdout) as ProbeReport);
    this.registerOutputs({ report: this.report });
  }
}
