/** An inhibition rule of Alertmanager: while a source fires, its targets with equal labels are not sent. */
export interface InhibitRule {
  source_matchers: string[];
  target_matchers: string[];
  equal: string[];
}

/** A fault, and the alerts on the same host that only follow from it. */
const follows = (source: string[], targets: string[]): InhibitRule => ({
  source_matchers: source,
  target_matchers: targets,
  equal: ["host"],
});

/** The labels that distinguish the subjects of two alerts of one name. */
const SUBJECT = ["alertname", "host", "name", "job", "instance", "gpu_uuid", "device", "mountpoint"];

/**
 * What is silenced by what. Without a source of metrics, alerts about these metrics are noise, or resolve though nothing was
 * repaired.
 */
export const INHIBIT_RULES: readonly InhibitRule[] = [
  {
    source_matchers: ['severity="critical"'],
    target_matchers: ['severity=~"warning|info"'],
    equal: SUBJECT,
  },
  follows(
    ['alertname="PrometheusNotIngestingSamples"'],
    ['alertname!="PrometheusNotIngestingSamples"', 'severity=~"warning|info"'],
  ),
  follows(
    ['alertname="TargetDown"', 'job="cadvisor"'],
    ['alertname=~"ContainerGone|ContainerMetricsMissing|CadvisorScrapeErrors"'],
  ),
  follows(['alertname="TargetDown"', 'job="exporter"'], ['alertname=~"Gpu.+|ContainerUnhealthy"']),
  follows(['alertname="GpuDriverDown"'], ['alertname=~"Gpu.+"', 'alertname!="GpuDriverDown"']),
  {
    source_matchers: ['alertname="HostDiskNearlyFull"'],
    target_matchers: ['alertname="HostDiskFillingUp"'],
    equal: ["host", "mountpoint"],
  },
  follows(['alertname="GatewayDown"'], ['alertname=~"Gateway.+"', 'alertname!="GatewayDown"']),
];
