import { dump } from "js-yaml";
import { ALERTMANAGER_FOLDER } from "../lib/names";
import { secretStore } from "../lib/secretFiles";
import type { Receiver } from "../settings";
import { INHIBIT_RULES, type InhibitRule } from "./inhibition";
import { integration, nameOf, type AlertmanagerReceiver } from "./receivers";

/** `alertmanager.yml`, in Alertmanager's own terms and order. */
export interface AlertmanagerConfig {
  route: { receiver: string; routes: Route[] };
  inhibit_rules: readonly InhibitRule[];
  receivers: AlertmanagerReceiver[];
}

interface Route {
  receiver: string;
  matchers: string[];
  group_by: string[];
  group_wait: string;
  group_interval: string;
  repeat_interval: string;
  continue: true;
}

/** The configuration of an Alertmanager. */
export interface AlertmanagerConfiguration {
  config: AlertmanagerConfig;
  /** The file of the configuration folder, by its name: `alertmanager.yml`. */
  files: Record<string, string>;
  /** The files with the secrets of receivers, by their path in the configuration folder. */
  secretFiles: Record<string, string>;
}

/** The alert that always fires, so that its absence shows that alerts are not delivered. */
const ALWAYS_FIRES = "Watchdog";

/** The receiver of the alerts that are not sent. */
const NONE = "none";

/** Builds the configuration that sends alerts to the receivers of the setting `notify`. */
export function alertmanagerConfiguration(receivers: readonly Receiver[]): AlertmanagerConfiguration {
  const { files: secretFiles, store } = secretStore(ALERTMANAGER_FOLDER);
  const integrations = receivers.map((receiver, index) =>
    integration(receiver, nameOf(receiver, index), (kind, field, secret) =>
      store([index, kind, field], secret),
    ),
  );
  const config: AlertmanagerConfig = {
    route: { receiver: NONE, routes: receivers.map(route) },
    inhibit_rules: INHIBIT_RULES,
    receivers: [{ name: NONE }, ...integrations],
  };
  const text = dump(config, { lineWidth: -1, noRefs: true, skipInvalid: true });
  return { config, files: { "alertmanager.yml": text }, secretFiles };
}

/** Each receiver has a route of its own, so that all of them get an alert. */
function route(receiver: Receiver, index: number): Route {
  const isHeartbeat = receiver.heartbeat !== undefined;
  const {
    severities = ["critical", "warning"],
    groupBy,
    groupWait,
    groupInterval,
    repeatInterval,
  } = receiver;
  return {
    receiver: nameOf(receiver, index),
    matchers: isHeartbeat
      ? [`alertname="${ALWAYS_FIRES}"`]
      : [`alertname!="${ALWAYS_FIRES}"`, `severity=~"${severities.join("|")}"`],
    group_by: groupBy ?? ["host", "name"],
    group_wait: groupWait ?? (isHeartbeat ? "0s" : "30s"),
    group_interval: groupInterval ?? (isHeartbeat ? "1m" : "5m"),
    repeat_interval: repeatInterval ?? (isHeartbeat ? "5m" : "4h"),
    continue: true,
  };
}
