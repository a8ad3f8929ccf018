import { X509Certificate } from "node:crypto";
import { isIPv4 } from "node:net";
import * as z from "zod";
import {
  certificate,
  dnsName,
  ipv4Address,
  isCertificate,
  isKeyOf,
  isPrivateKey,
  oneOf,
  privateKey,
  users,
  type Refuse,
} from "./formats";

/** The settings of the gateway. */
export const gatewaySettings = z.object({
  /** The host's address that the gateway publishes its ports on; other than loopback only with TLS and a login. */
  bindAddress: ipv4Address,
  /** The gateway's certificate with its chain, as PEM; empty: none. */
  tlsCertificate: certificate,
  /** Its private key, as PEM; a secret. */
  tlsKey: privateKey,
  /** Names, and at most one address, for which the gateway issues certificates from an authority of its own. */
  tlsNames: z.array(dnsName),
  /** Users who may log in: bcrypt hashes of passwords by user; a secret. */
  users,
  /** The authority whose client certificates are accepted, as PEM; empty: none. */
  clientCa: certificate,
  /** Whether the gateway forwards cAdvisor's API: on loopback only, always, or never. */
  cadvisorApi: oneOf("auto", "on", "off"),
});

/** Whether only this host can connect to an address. */
export const isLoopback = (address: string): boolean => address.startsWith("127.");

/** Refuses settings of the gateway that allow more clients than they seem to, or none at all. */
export function checkGateway(settings: z.infer<typeof gatewaySettings>, refuse: Refuse): void {
  const { bindAddress, tlsCertificate, tlsKey, tlsNames, clientCa } = settings;
  const hasTls = tlsCertificate !== "" || tlsNames.length > 0;
  const hasUsers = Object.keys(settings.users).length > 0;
  const hasLogin = hasUsers || clientCa !== "";

  if (!isLoopback(bindAddress) && !(hasTls && hasLogin))
    refuse(
      ["bindAddress"],
      "must be an IPv4 loopback address, such as 127.0.0.1, as long as the gateway has no TLS (set tlsCertificate and tlsKey, or tlsNames) or no login (set users, or clientCa)",
    );
  if (hasLogin && !hasTls)
    refuse([hasUsers ? "users" : "clientCa"], "needs TLS: set tlsCertificate and tlsKey, or tlsNames");
  if (clientCa && !hasUsers && !tlsKey)
    refuse(
      ["clientCa"],
      "needs users too, or tlsKey: the health probe logs in with a password that is derived from them",
    );
  if (tlsCertificate && tlsNames.length > 0)
    refuse(["tlsNames"], "is for a gateway without tlsCertificate: choose one of them");
  for (const [i, name] of tlsNames.entries())
    if (isIPv4(name) && tlsNames.slice(0, i).some((earlier) => isIPv4(earlier)))
      refuse(
        ["tlsNames", i],
        "must be a host name, as an earlier entry is an address: clients that connect to an address send no name, so the gateway has a certificate for one",
      );
  if ((tlsCertificate === "") !== (tlsKey === ""))
    refuse([tlsKey ? "tlsCertificate" : "tlsKey"], "must be set, as its counterpart is");
  if (isCertificate(tlsCertificate) && isPrivateKey(tlsKey)) checkCertificate(tlsCertificate, tlsKey, refuse);
}

function checkCertificate(certificate: string, key: string, refuse: Refuse): void {
  const { names, expires } = certificateDetails(certificate);
  if (expires < Date.now() / 1000)
    refuse(
      ["tlsCertificate"],
      `must not have expired, as this one has on ${new Date(expires * 1000).toISOString()}`,
    );
  if (names.length === 0) refuse(["tlsCertificate"], "must have a subject alternative name");
  if (!isKeyOf(certificate, key)) refuse(["tlsKey"], "must be the key of tlsCertificate");
}

/** The names and addresses that the first certificate of a PEM is for, and when it expires, in Unix seconds. */
export function certificateDetails(pem: string): { names: string[]; expires: number } {
  const { subjectAltName = "", validTo } = new X509Certificate(pem);
  return {
    names: [...subjectAltName.matchAll(/(?:DNS|IP Address):([^,\s]+)/g)].map(([, name = ""]) => name),
    expires: Date.parse(validTo) / 1000,
  };
}
