import { createHash, createHmac } from "node:crypto";
import { encodeBase64, hashSync } from "bcryptjs";
import { certificateOf, isLoopback, type Settings } from "../settings";
import { GATEWAY_FOLDER, type GatewayPlan } from "./gateway";

/** Who reaches the gateway, by which name, and what it needs for that. */
export interface GatewayAccess {
  /** URLs of what it serves. */
  urls: { cadvisor: string; prometheus: string };
  plan: GatewayPlan;
  /** Where there is TLS: the files that only the gateway may read, and the folder of its container that they are in. */
  files?: { folder: string; content: Record<string, string> };
  /** How the project's own probes come in: from this host, trusting these certificates beside the usual ones (none: those that the gateway itself makes), as this user. */
  probe: { address: string; ca?: string; login?: string };
}

const PROBE_USER = "llm-metrics-probe";

/** What the settings say of the gateway. */
export function gatewayAccess(settings: Settings): GatewayAccess {
  const { bindAddress, tlsCertificate, tlsNames, users, clientCa, cadvisorApi } = settings;
  const local = isLoopback(bindAddress);
  const names = tlsCertificate ? certificateOf(tlsCertificate).names : tlsNames;
  const [name] = names;
  const url = (port: number) =>
    name ? `https://${name.replace("*", "gateway")}:${port}` : `http://${bindAddress}:${port}`;
  const urls = { cadvisor: url(settings.cadvisorPort), prometheus: url(settings.prometheusPort) };
  const address = bindAddress === "0.0.0.0" ? "127.0.0.1" : bindAddress;
  const hosts = local && { hosts: [...new Set([bindAddress, "127.0.0.1", "localhost", "gateway"])] };
  const plan = { cadvisorApi: cadvisorApi === "auto" ? local : cadvisorApi === "on" };
  if (!name) return { urls, plan: { ...plan, ...hosts }, probe: { address } };

  const login = Object.keys(users).length > 0 || clientCa ? probeLogin(settings) : undefined;
  const accounts = login ? [...Object.entries(users), [PROBE_USER, login.hash] as const] : [];
  const content: Record<string, string> = {
    ...(tlsCertificate && { "certificate.pem": tlsCertificate, "key.pem": settings.tlsKey }),
    ...(clientCa && { "client-ca.pem": clientCa }),
    ...Object.fromEntries(accounts.map(([, hash], i) => [`user-${i}`, hash])),
  };
  // Other content is in another folder, so that it makes another container.
  const digest = createHash("sha256").update(JSON.stringify(content)).digest("hex").slice(0, 12);
  const file = (of: string) => `${GATEWAY_FOLDER}/${digest}/${of}`;
  return {
    urls,
    plan: {
      ...plan,
      tls: {
        names,
        ...(tlsCertificate && {
          own: {
            certificate: file("certificate.pem"),
            key: file("key.pem"),
            expires: certificateOf(tlsCertificate).expires,
          },
        }),
      },
      ...(login && {
        login: {
          users: Object.fromEntries(accounts.map(([user], i) => [user, file(`user-${i}`)])),
          ...(clientCa && { clientCa: file("client-ca.pem") }),
        },
      }),
    },
    files: { folder: digest, content },
    probe: {
      address,
      ...(tlsCertificate && { ca: tlsCertificate }),
      ...(login && { login: login.credentials }),
    },
  };
}

/**
 * The probes' own user. The password is derived from the stack's secrets, so that it stays the same from one run of the
 * program to the next; as it is not a word that somebody chose, few rounds of bcrypt are enough.
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
