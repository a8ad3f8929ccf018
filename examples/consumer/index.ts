import * as pulumi from "@pulumi/pulumi";

/** Where another stack's Prometheus is, and what its probes saw: all that a dashboard needs to be pointed at it. */
const metrics = new pulumi.StackReference(new pulumi.Config().require("metricsStack"));

export const prometheusUrl = metrics.requireOutput("prometheusUrl");
export const networkName = metrics.requireOutput("networkName");
export const containersByCpu = pulumi.interpolate`${prometheusUrl}/query?g0.expr=topk(10,rate(container_cpu_usage_seconds_total[2m]))`;
