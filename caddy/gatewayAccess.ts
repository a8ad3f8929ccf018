import { createHash, createHmac } from "node:crypto";
import { encodeBase64, hashSync } from "bcryptjs";
import { certificateDetails, isLoopback, type Settings } from "../settings";
import { ALERTMANAGER_PATH, GATEWAY_FOLDER, GRAFANA_PATH, type GatewayOptions } from "./gateway";

/** How clients reach the gateway and log in, by the settings. */
export interface GatewayAccess {
  /** URLs of the servers behind it. */
  urls: { cadvisor: string; prometheus: string; alertmanager: string; grafana: string };
  options: GatewayOptions;
  /** With TLS: the files that only the gateway may read, and the folder for them in its container. */
  files?: { folder: string; content: Record<string, string> };
  probe: ProbeAccess;
}

/** How the post-deploy checks reach the gateway. */
export interface ProbeAccess {
  /** The address to connect to, from the Docker host. */
  address: string;
  /** Certificates to trust besides the usual ones; without, those of the gateway's own authority. */
  ca?: string;
  /** `user:password`. */
  login?: string;
}

const PROBE_USER = "llm-metrics-probe";

/** The access that the settings of the gateway give. */
export function gatewayAccess(settings: Settings): GatewayAccess {
  const { bindAddress, tlsCertificate, tlsNames, cadvisorApi } = settings;
  const local = isLoopback(bindAddress);
  const names = tlsCertificate ? certificateDetails(tlsCertificate).names : tlsNames;
  const [name] = names;
  const url = (port: number) =>
    name ? `https://${name.replace("*", "gateway")}:${port}` : `http://${bindAddress}:${port}`;
  const prometheus = url(settings.prometheusPort);
  const urls = {
    cadvisor: url(settings.cadvisorPort),
    prometheus,
    alertmanager: `${prometheus}${ALERTMANAGER_PATH}`,
    grafana: `${prometheus}${GRAFANA_PATH}`,
  };
  const address = bindAddress === "0.0.0.0" ? "127.0.0.1" : bindAddress;
  const forwarded = {
    cadvisorApi: cadvisorApi === "auto" ? local : cadvisorApi === "on",
    grafana: settings.grafana === "on",
  };
  if (name) return tlsAccess(settings, urls, address, names, forwarded);

  const hosts = local && { hosts: [...new Set([bindAddress, "127.0.0.1", "localhost", "gateway"])] };
  return { urls, options: { ...forwarded, ...hosts }, probe: { address } };
}

function tlsAccess(
  settings: Settings,
  urls: GatewayAccess["urls"],
  address: string,
  names: string[],
  forwarded: Pick<GatewayOptions, "cadvisorApi" | "grafana">,
): GatewayAccess {
  const { tlsCertificate, tlsKey, users, clientCa } = settings;
  const hasLogin = Object.keys(users).length > 0 || clientCa !== "";
  const probe = hasLogin ? probeLogin(settings) : undefined;
  const accounts = probe ? [...Object.entries(users), [PROBE_USER, probe.hash] as const] : [];
  const content: Record<string, string> = {
    ...(tlsCertificate && { "certificate.pem": tlsCertificate, "key.pem": tlsKey }),
    ...(clientCa && { "client-ca.pem": clientCa }),
    ...Object.fromEntries(accounts.map(([, hash], i) => [`user-${i}`, hash])),
  };
  // Changed content has a new folder, so that the container is replaced.
  const folder = createHash("sha256").update(JSON.stringify(content)).digest("hex").slice(0, 12);
  const file = (name: string) => `${GATEWAY_FOLDER}/${folder}/${name}`;

  const certificate = tlsCertificate && {
    certificate: { file: file("certificate.pem"), keyFile: file("key.pem") },
  };
  const login = probe && {
    login: {
      users: Object.fromEntries(accounts.map(([user], i) => [user, file(`user-${i}`)])),
      ...(clientCa && { clientCa: file("client-ca.pem") }),
    },
  };
  return {
    urls,
    options: { ...forwarded, tls: { names, ...certificate }, ...login },
    files: { folder, content },
    probe: {
      address,
      ...(tlsCertificate && { ca: tlsCertificate }),
      ...(probe && { login: probe.credentials }),
    },
  };
}

/**
 * The user of the post-deploy checks. The password is derived from the stack's secrets, so that it stays the same in each run
 * of the program; it cannot be guessed, so few rounds of bcrypt are enough.
 */
function probeLogin({ tlsKey, users }: Settings): { credentials: string; hash: string } {
  const password = createHmac("sha256", JSON.stringify([tlsKey, users]))
    .update("probe")
    .digest("base64url");
  const salt = createHash("sha256").update(password).digest().subarray(0, 16);
  return {
    credentials: `${PROBE_USER}:${password}`,
    hash: hashSync(password, `$2b$04$${encodeBase64(salt, 16)}`),
  };
}
