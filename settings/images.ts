import { image } from "./formats";

/** What the stack requires of an image, as far as its tag shows. */
interface Requirement {
  /** The last part of the name of the program's own repository. */
  repository: string;
  /** The first version that works, as MAJOR or MAJOR.MINOR, and what is wrong with older ones. */
  minimum: string;
  reason: string;
  /** A variant that does not work, as the tag names it, and what is wrong with it. */
  unsupported?: { variant: string; reason: string };
}

type ImageSetting =
  | "cadvisorImage"
  | "prometheusImage"
  | "caddyImage"
  | "exporterImage"
  | "nodeExporterImage"
  | "alertmanagerImage"
  | "grafanaImage";

/** The requirements by setting. The descriptions in `Pulumi.yaml` and `docs/settings.md` state the same minimums. */
export const IMAGE_REQUIREMENTS: Record<ImageSetting, Requirement> = {
  cadvisorImage: {
    repository: "cadvisor",
    minimum: "0.57",
    // Source: google/cadvisor 3643, 3749, 3860.
    reason: "older ones lose the names of containers on current Docker engines",
  },
  prometheusImage: {
    repository: "prometheus",
    minimum: "3.11",
    // Source: config/config.go; prometheus/prometheus PR 18200 mends the unit of storage.tsdb.retention.time.
    reason:
      "older ones reject extra_scrape_metrics in the configuration, or keep samples far beyond retentionTime",
    unsupported: { variant: "distroless", reason: "has no shell" },
  },
  caddyImage: {
    repository: "caddy",
    minimum: "2.9",
    // Source: caddyserver/caddy, modules/caddytls/tls.go and modules/caddyhttp/app.go.
    reason: "older ones reject disable_storage_clean and metrics in the configuration",
  },
  exporterImage: {
    repository: "node",
    minimum: "20",
    reason: "the exporter is compiled for Node 20",
    unsupported: { variant: "alpine", reason: "has no glibc, which NVIDIA's tools need" },
  },
  nodeExporterImage: {
    repository: "node-exporter",
    minimum: "1.9",
    // Source: prometheus/node_exporter, CHANGELOG.md.
    reason: "older ones cannot be limited to some mount points",
    unsupported: { variant: "distroless", reason: "has no wget, which the health check needs" },
  },
  alertmanagerImage: {
    repository: "alertmanager",
    minimum: "0.32",
    // Source: prometheus/alertmanager, CHANGELOG.md.
    reason: "older ones reject the payload of webhooks in the configuration",
    unsupported: { variant: "distroless", reason: "has no shell" },
  },
  grafanaImage: {
    repository: "grafana",
    minimum: "12.0",
    // Source: github.com/grafana/grafana-foundation-sdk, README.md.
    reason: "the dashboards are made for Grafana 12 and newer",
    unsupported: { variant: "distroless", reason: "has no shell" },
  },
};

/** The format of an image setting. A tag that names an older version, or a variant that does not work, is refused. */
export function imageOf(setting: ImageSetting) {
  const { repository, minimum, reason, unsupported } = IMAGE_REQUIREMENTS[setting];
  const versioned = image.refine((reference) => !isOlder(versionOf(reference, repository), minimum), {
    error: `must be ${minimum} or newer: ${reason}`,
  });
  if (!unsupported) return versioned;
  return versioned.refine((reference) => !variantsOf(reference).includes(unsupported.variant), {
    error: `must be another variant: ${unsupported.variant} ${unsupported.reason}`,
  });
}

/** The version of a program; a tag without a minor version names the newest minor version. */
interface Version {
  major: number;
  minor: number;
}

/**
 * The version that a tag starts with; undefined for a digest, and for a tag that is no version. A single number counts only in
 * the program's own repository: in another one, it can be the user's own numbering.
 */
function versionOf(reference: string, repository: string): Version | undefined {
  const { name, tag } = parts(reference);
  const [, major, minor] = /^v?(\d+)(?:\.(\d+))?(?!\w)/.exec(tag) ?? [];
  if (major === undefined || (minor === undefined && name !== repository)) return undefined;
  return { major: Number(major), minor: minor === undefined ? Infinity : Number(minor) };
}

function isOlder(version: Version | undefined, minimum: string): boolean {
  const [major = 0, minor = 0] = minimum.split(".").map(Number);
  return (
    version !== undefined && (version.major < major || (version.major === major && version.minor < minor))
  );
}

/** The words of a tag, without their versions: `alpine` of `22-alpine3.20`. */
const variantsOf = (reference: string): string[] =>
  parts(reference)
    .tag.split("-")
    .map((word) => word.replace(/[\d.]+$/, ""));

/** The last part of the repository's name, and the tag, which a digest may follow. */
function parts(reference: string): { name: string; tag: string } {
  const [, name = "", tag = ""] = /([^/:]+):([^/:@]+)(?:@.*)?$/.exec(reference) ?? [];
  return { name, tag };
}
