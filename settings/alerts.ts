import * as z from "zod";
import { above, duration, nearest, ratio, size, text } from "./formats";

/** The names of all alerts. An alert of another name does not compile, and a test finds a name without an alert. */
export const ALERT_NAMES = [
  "ContainerOOMKilled",
  "ContainerCrashLooping",
  "ContainerUnhealthy",
  "ContainerGone",
  "ContainerMemoryNearLimit",
  "ContainerCPUThrottled",
  "ContainerNetworkDrops",
  "HostDiskFillingUp",
  "HostDiskNearlyFull",
  "HostDiskInodesNearlyGone",
  "HostMemoryNearlyGone",
  "HostMemoryPressure",
  "HostHighLoad",
  "GpuLost",
  "GpuDriverDown",
  "GpuMetricsMissing",
  "GpuAllocationUnmatched",
  "GpuEccErrorsUncorrected",
  "GpuThrottled",
  "GpuHot",
  "GpuAllocatedIdle",
  "GpuUsedWithoutAllocation",
  "GpuMemoryHeldByHost",
  "GpuXidErrors",
  "GpuResetRequired",
  "GpuMemoryRepairFailed",
  "GpuMemoryRepairPending",
  "GpuPcieDegraded",
  "GpuNvlinkDown",
  "GpuFabricNotReady",
  "GpuProcessesHidden",
  "GpuDevicesChanged",
  "LlmServerDown",
  "LlmServerLoading",
  "LlmMetricsMissing",
  "LlmAdmissionStalled",
  "LlmQueueGrowing",
  "LlmCacheFull",
  "LlmLatencyHigh",
  "LlmErrors",
  "Watchdog",
  "TargetDown",
  "ContainerMetricsMissing",
  "MetricUnavailable",
  "ExporterDockerDown",
  "CadvisorScrapeErrors",
  "ClockSkew",
  "PrometheusBadConfig",
  "PrometheusRuleFailures",
  "PrometheusNotificationsFailing",
  "AlertmanagerNotificationsFailing",
  "PrometheusMemoryNearLimit",
  "PrometheusSeriesNearLimit",
  "PrometheusNotIngestingSamples",
  "PrometheusWritesFailed",
  "PrometheusWALCorrupted",
  "PrometheusTSDBReloadsFailing",
  "PrometheusTSDBCompactionsFailing",
  "ScrapeSampleLimitNear",
  "ScrapeBodySizeLimitNear",
  "ScrapeTimeoutNear",
  "ScrapeRejected",
  "GatewayDown",
  "GatewayLoginsRefused",
  "GatewayRequestsRefused",
  "GatewayCertificateExpires",
] as const;

export type AlertName = (typeof ALERT_NAMES)[number];

const isAlertName = (name: string): name is AlertName => (ALERT_NAMES as readonly string[]).includes(name);

/** The present names of alerts that were renamed, by their previous ones. A stack can still switch them off by these. */
const PRESENT_NAMES = new Map<string, AlertName>([
  ["ContainerRestarting", "ContainerCrashLooping"],
  ["GpuExporterDockerDown", "ExporterDockerDown"],
]);

const alertName = z.string().transform((name, context): AlertName => {
  if (isAlertName(name)) return name;
  const present = PRESENT_NAMES.get(name);
  if (present) return present;
  const near = nearest(name, ALERT_NAMES);
  const remedy = near ? `did you mean ${near}?` : "docs/metrics.md lists them";
  context.addIssue({ code: "custom", message: `must be the name of an alert: ${remedy}` });
  return z.NEVER;
});

/**
 * The setting `alerts`: a key for each threshold and each time of the alerts. docs/settings.md describes them. An alert that has to
 * last for a time has a key that ends in `For`; one that looks back has a key that ends in `Window`.
 */
export const alertSettings = z.strictObject({
  disabled: z.array(alertName).default([]),
  /** Where docs/runbooks.md is served; the annotation `runbook_url` of an alert adds its section. */
  runbooks: text(
    (value) => value === "docs/runbooks.md" || (URL.canParse(value) && /^https?:/.test(value)),
    "the URL of docs/runbooks.md in a copy of this repository",
  ).default("docs/runbooks.md"),

  containerOomKilledWindow: duration.default("10m"),
  containerRestarts: above(0).default(2),
  containerRestartsWindow: duration.default("1h"),
  containerUnhealthyFor: duration.default("10m"),
  containerStartPeriod: duration.default("20m"),
  containerGoneMinAge: duration.default("1h"),
  containerGoneFor: duration.default("5m"),
  containerGoneWindow: duration.default("1h"),
  containerMemoryRatio: ratio.default(0.9),
  containerMemoryFor: duration.default("5m"),
  containerThrottledRatio: ratio.default(0.25),
  containerThrottledFor: duration.default("15m"),
  containerDropsPerSecond: above(0).default(10),
  containerDropsFor: duration.default("10m"),

  hostDiskFullWithin: duration.default("1d"),
  hostDiskFillingRatio: ratio.default(0.6),
  hostDiskFillingFor: duration.default("1h"),
  hostDiskFullRatio: ratio.default(0.95),
  hostDiskFullFor: duration.default("5m"),
  hostInodesRatio: ratio.default(0.95),
  hostInodesFor: duration.default("5m"),
  hostMemoryRatio: ratio.default(0.95),
  hostMemoryFor: duration.default("5m"),
  hostMemoryPressureRatio: ratio.default(0.1),
  hostMemoryPressureFor: duration.default("10m"),
  hostLoadPerCore: above(0).default(2),
  hostLoadFor: duration.default("15m"),

  gpuLostFor: duration.default("1m"),
  gpuDriverDownFor: duration.default("2m"),
  gpuDockerDownFor: duration.default("5m"),
  gpuMetricsMissingFor: duration.default("5m"),
  gpuUnmatchedFor: duration.default("2m"),
  gpuEccWindow: duration.default("1h"),
  gpuThrottledRatio: ratio.default(0.5),
  gpuThrottledFor: duration.default("5m"),
  gpuHotCelsius: above(0).default(85),
  gpuHotFor: duration.default("10m"),
  gpuIdleFor: duration.default("1d"),
  gpuUnallocatedFor: duration.default("10m"),
  gpuHostMemory: size.default("1GB"),
  gpuHostMemoryFor: duration.default("10m"),
  gpuXidWindow: duration.default("1h"),
  gpuPcieFor: duration.default("10m"),
  gpuNvlinkFor: duration.default("5m"),
  gpuFabricFor: duration.default("10m"),
  gpuHiddenFor: duration.default("5m"),
  gpuChangedWindow: duration.default("1h"),

  llmDownFor: duration.default("2m"),
  llmLoadingTime: duration.default("30m"),
  llmMetricsMissingFor: duration.default("15m"),
  llmStalledFor: duration.default("10m"),
  llmQueueGrowth: above(0).default(10),
  llmQueueFor: duration.default("10m"),
  llmCacheRatio: ratio.default(0.95),
  llmCacheFor: duration.default("10m"),
  llmFirstTokenSeconds: above(0).default(10),
  llmLatencyFor: duration.default("10m"),
  llmErrorRatio: ratio.default(0.05),
  llmErrorsFor: duration.default("5m"),

  cadvisorErrorRatio: ratio.default(0.25),
  cadvisorErrorFor: duration.default("5m"),
  clockSkew: duration.default("30s"),
  clockSkewFor: duration.default("10m"),
  ruleFailuresWindow: duration.default("15m"),
  notificationsFailingFor: duration.default("10m"),
  prometheusMemoryRatio: ratio.default(0.8),
  prometheusMemoryFor: duration.default("10m"),
  prometheusSeries: above(0).default(100_000),
  prometheusSeriesFor: duration.default("15m"),
  walCorruptedWindow: duration.default("3h"),
  scrapeLimitRatio: ratio.default(0.8),

  gatewayDownFor: duration.default("2m"),
  gatewayLoginsRefused: above(0).default(20),
  gatewayRequestsRefused: above(0).default(20),
  gatewayRefusedWindow: duration.default("5m"),
  gatewayCertificateExpires: duration.default("14d"),
});

/** Which alerts fire, and when. */
export type AlertSettings = z.infer<typeof alertSettings>;

/** The setting `alerts` of a stack that does not set it. */
export const ALERT_DEFAULTS: AlertSettings = alertSettings.parse({});
