import * as pulumi from "@pulumi/pulumi";
import type { Expectation, ProbeReport } from "../probes/report";
import { deployStep } from "./deployStep";

export interface HealthProbeArgs {
  /** What the running system must show. */
  expectation: Expectation;
  /** Environment variables of the checks. */
  environment: Record<string, pulumi.Input<string>>;
  /** The checks run again when one of these changes. */
  triggers: pulumi.Input<string>[];
}

/** The post-deploy checks: they query the running system; a failed check fails the update. */
export class HealthProbe extends pulumi.ComponentResource {
  readonly report: pulumi.Output<ProbeReport>;

  constructor(name: string, args: HealthProbeArgs, opts?: pulumi.ComponentResourceOptions) {
    super("llm-metrics:docker:HealthProbe", name, {}, opts);
    const { expectation, environment, triggers } = args;
    const stdin = JSON.stringify(expectation, undefined, 2);
    const { stdout } = deployStep(
      `${name}-command`,
      "probe",
      { environment, stdin, triggers },
      { parent: this },
    );

    // A command with a secret input has secret outputs, and the report has no secret.
    this.report = pulumi.unsecret(stdout).apply((text) => JSON.parse(text) as ProbeReport);
    this.registerOutputs({ report: this.report });
  }
}
