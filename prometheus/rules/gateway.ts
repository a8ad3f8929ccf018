import { durationSeconds } from "../../lib/units";
import { OWN_JOBS, type AlertSettings } from "../../settings";
import { ruleGroup, type Alert, type RecordingRule, type RuleGroup } from "./ruleGroup";

/** The number of requests in a period that the gateway answered with a status code. */
const requests = (code: string, period: string) =>
  `sum by (host) (increase(caddy_http_request_duration_seconds_count{job="${OWN_JOBS.gateway}",code=~"${code}"}[${period}]))`;

/** A browser sends its first request without a password, so a few responses with 401 are normal. */
const requestAlerts = (alerts: AlertSettings): Alert[] => [
  {
    alert: "GatewayDown",
    expr: `up{job="${OWN_JOBS.gateway}"} == 0`,
    for: alerts.gatewayDownFor,
    severity: "critical",
    summary: "The gateway on {{ $labels.host }} is down",
    description:
      "Clients cannot connect to cAdvisor and Prometheus. See `docker logs` of the gateway's container.",
  },
  {
    alert: "GatewayLoginsRefused",
    expr: `${requests("401", alerts.gatewayRefusedWindow)} > ${alerts.gatewayLoginsRefused}`,
    severity: "warning",
    summary: "Many logins to the gateway on {{ $labels.host }} fail",
    description: `{{ $value | printf "%.0f" }} requests in the last ${alerts.gatewayRefusedWindow} had no password or a wrong one. Update the password of the client, or publish the ports to fewer clients.`,
  },
  {
    alert: "GatewayRequestsRefused",
    expr: `${requests("400|403|413|421", alerts.gatewayRefusedWindow)} > ${alerts.gatewayRequestsRefused}`,
    severity: "warning",
    summary: "The gateway on {{ $labels.host }} rejects many requests",
    description: `{{ $value | printf "%.0f" }} requests in the last ${alerts.gatewayRefusedWindow} were malformed, too large, or for a path that is not allowed. The runbook has a query that shows which.`,
  },
];

/** The certificate of the setting tlsCertificate: its label `host`, and when it expires, in Unix seconds. */
interface Certificate {
  host: string;
  expires: number;
}

/** The rules about the gateway, and about its certificate where the settings have one. */
export const gatewayRules = (certificate: Certificate | undefined, alerts: AlertSettings): RuleGroup =>
  ruleGroup("gateway", [
    ...requestAlerts(alerts),
    ...(certificate ? certificateRules(certificate, alerts) : []),
  ]);

const EXPIRY = "gateway_certificate_expiry_timestamp_seconds";

/** Caddy does not export the expiry of a certificate, so it is a constant in the rule. */
const certificateRules = (
  { host, expires }: Certificate,
  { gatewayCertificateExpires }: AlertSettings,
): (RecordingRule | Alert)[] => [
  { record: EXPIRY, expr: `vector(${expires})`, labels: { job: OWN_JOBS.gateway, host } },
  {
    alert: "GatewayCertificateExpires",
    expr: `${EXPIRY}{job="${OWN_JOBS.gateway}"} - time() < ${durationSeconds(gatewayCertificateExpires)}`,
    severity: "warning",
    summary:
      "The certificate of the gateway on {{ $labels.host }} expires in {{ $value | humanizeDuration }}",
    description: "Set tlsCertificate and tlsKey to a new certificate and its key, and run `npm run up`.",
  },
];
