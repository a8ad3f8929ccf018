import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { GRAFANA_PATH } from "../caddy/gateway";
import {
  deployedFiles,
  filesVersion,
  GRAFANA_FOLDER,
  PROVISIONING_FOLDER,
  provisioningFiles,
  VERSION_FILE,
} from "../grafana/provisioning";
import { SERVERS } from "../lib/names";
import { createContainer, createVolume, healthcheck, type PartArgs } from "./container";
import { installFiles } from "./deployStep";

/** Memory limit in MiB. Others run Grafana 13, with its database in memory, within this limit; it was not measured here. */
const MEMORY = 512;

/** User and group of the official image and of Grafana's Helm chart. */
const USER = 472;

/** The folder in memory that every container has, beside which the root filesystem is read-only. */
const MEMORY_FOLDER = "/dev/shm";

export interface GrafanaArgs extends PartArgs {
  /** URL of its pages, through the gateway. */
  url: string;
  /** Image reference of Caddy, by which the files are installed. */
  caddyImage: string;
  /** The scrape interval of Prometheus, as a Prometheus duration. */
  scrapeInterval: string;
}

/**
 * Grafana with the stack's dashboards, behind the gateway. Every client of the gateway can view them; there is no login, no admin, and
 * nothing to edit, so that its database is in memory, and created again at each start.
 */
export class Grafana extends pulumi.ComponentResource {
  readonly container: docker.Container;

  /** @param name also the container's name, and the prefix of its volume */
  constructor(name: string, args: GrafanaArgs, opts?: pulumi.ComponentResourceOptions) {
    super("llm-metrics:docker:Grafana", name, {}, opts);
    const { image, url, caddyImage, scrapeInterval, host, network, labels } = args;

    const files = createVolume(this, `${name}-files`, { labels });
    this.container = createContainer(this, name, {
      image,
      memory: MEMORY,
      cpus: "1.0",
      labels,
      networks: [{ network, aliases: [SERVERS.grafana.alias] }],
      entrypoints: ["sh", "-c", start(scrapeInterval)],
      envs: environment(url),
      user: `${USER}:${USER}`,
      volumes: [{ volumeName: files.name, containerPath: GRAFANA_FOLDER, readOnly: true }],
      healthcheck: {
        ...healthcheck(`http://127.0.0.1:${SERVERS.grafana.port}${GRAFANA_PATH}/api/health`),
        // It makes its database first.
        startPeriod: "2m0s",
      },
    });
    installFiles(this, `${name}-install`, {
      host,
      image: caddyImage,
      container: this.container,
      volume: `${name}-files`,
      environment: {
        GRAFANA: filesVersion(deployedFiles(scrapeInterval)),
        SCRAPE_INTERVAL: scrapeInterval,
      },
    });
    this.registerOutputs({});
  }
}

/**
 * Grafana reads data sources when it starts, and the deploy step installs them after that. Their version in the script lets a changed
 * one replace the container, which waits for it. The key is for no secret and no session.
 */
const start = (scrapeInterval: string): string =>
  [
    `until [ "$(cat ${GRAFANA_FOLDER}/${VERSION_FILE} 2> /dev/null)" = ${filesVersion(provisioningFiles(scrapeInterval))} ]; do sleep 0.5; done`,
    `mkdir -p ${MEMORY_FOLDER}/data`,
    'export GF_SECURITY_SECRET_KEY="$(head -c 24 /dev/urandom | base64)"',
    "exec /run.sh",
  ].join("\n");

/** Grafana's settings (grafana.com/docs/grafana/latest/setup-grafana/configure-grafana), as `section.key`. */
const settings = (url: string): Record<string, string> => ({
  "server.root_url": `${url}/`,
  "server.serve_from_sub_path": "true",
  "paths.data": `${MEMORY_FOLDER}/data`,
  "paths.logs": `${MEMORY_FOLDER}/logs`,
  "paths.plugins": `${MEMORY_FOLDER}/plugins`,
  "paths.provisioning": PROVISIONING_FOLDER,
  "dashboards.default_home_dashboard_path": `${GRAFANA_FOLDER}/host.json`,
  // The gateway has the login, where there is one.
  "auth.anonymous.enabled": "true",
  "auth.anonymous.org_role": "Viewer",
  "auth.basic.enabled": "false",
  "auth.disable_login_form": "true",
  "security.disable_initial_admin_creation": "true",
  "security.disable_gravatar": "true",
  "users.allow_sign_up": "false",
  // Grafana does not try to connect to other hosts, since the network has no route to them.
  "analytics.reporting_enabled": "false",
  "analytics.check_for_updates": "false",
  "analytics.check_for_plugin_updates": "false",
  "analytics.feedback_links_enabled": "false",
  "news.news_feed_enabled": "false",
  "snapshots.external_enabled": "false",
  // An update of the plugins that the image brings would remove them first (grafana/grafana-operator issue 2946).
  "plugins.preinstall_disabled": "true",
  "plugins.preinstall_auto_update": "false",
  "plugins.plugin_admin_enabled": "false",
  "plugins.public_key_retrieval_disabled": "true",
  // The gateway forwards no WebSocket, which live updates need.
  "live.max_connections": "0",
});

const environment = (url: string): string[] => [
  ...Object.entries(settings(url)).map(
    ([key, value]) => `GF_${key.replaceAll(".", "_").toUpperCase()}=${value}`,
  ),
  // Plugins that are programs of their own open sockets there.
  `TMPDIR=${MEMORY_FOLDER}`,
];
