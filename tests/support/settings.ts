import { readFileSync } from "node:fs";
import { load } from "js-yaml";
import { parseSettings, SECRET_KEYS, type Settings } from "../../settings";

/** The settings that Pulumi.yaml gives by default, with the named ones changed. */
export function settings(changes: Partial<Record<keyof Settings, unknown>> = {}): Settings {
  const { config } = load(readFileSync("Pulumi.yaml", "utf8")) as {
    config: Record<string, { default: unknown }>;
  };
  const defaults = Object.fromEntries(Object.entries(config).map(([key, entry]) => [key, entry.default]));
  return parse({ ...defaults, ...changes });
}

/** Parses settings by their keys without the namespace; the secret ones are encrypted. */
export const parse = (values: Record<string, unknown>): Settings =>
  parseSettings(
    Object.fromEntries(Object.entries(values).map(([key, value]) => [`llm-metrics:${key}`, value])),
    SECRET_KEYS.map((key) => `llm-metrics:${key}`),
  );

/** A certificate of metrics.example.org and 192.0.2.7, for tests alone; its key; one that expired; and another key. */
export const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBoTCCAUegAwIBAgIUBUDKA+5W+gqP6vq+5UEToXlH9YwwCgYIKoZIzj0EAwIw
EjEQMA4GA1UEAwwHbWV0cmljczAgFw0yNjExMjQxNjMyMjVaGA8yMTI2MTAzMTE2
MzIyNVowEjEQMA4GA1UEAwwHbWV0cmljczBZMBMGByqGSM49AgEGCCqGSM49AwEH
A0IABP8StDc6Ll6sYiGoPQ3D4cmWeUEeGmdtulDGAKybunXxn21TNW+E5EJd7G8w
9NgAroJUDKYUqhfVvBcwg8DGieyjeTB3MB0GA1UdDgQWBBQg8pMWQucviZgHpcIr
ASe7ufjy1jAfBgNVHSMEGDAWgBQg8pMWQucviZgHpcIrASe7ufjy1jAPBgNVHRMB
Af8EBTADAQH/MCQGA1UdEQQdMBuCE21ldHJpY3MuZXhhbXBsZS5vcmeHBMAAAgcw
CgYIKoZIzj0EAwIDSAAwRQIgNtisq8ipGtKE5cCKal7OECCgg8xo/B15UYZ1IvRP
0GgCIQCQw5N/7y6OUuHtW+HgJRxF3iuh9HHJJl9bDK2Rw14uqA==
-----END CERTIFICATE-----
`;
export const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgjUo/53De4HZiktd9
XYeqGUBwYeDJAwXRJwjudTJjgmuhRANCAAT/ErQ3Oi5erGIhqD0Nw+HJlnlBHhpn
bbpQxgCsm7p18Z9tUzVvhORCXexvMPTYAK6CVAymFKoX1bwXMIPAxons
-----END PRIVATE KEY-----
`;
export const EXPIRED_CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBZzCCAQ2gAwIBAgIUTO3P5yCRrImcuwf9Srq4IevPt48wCgYIKoZIzj0EAwIw
EjEQMA4GA1UEAwwHbWV0cmljczAeFw0yMDAxMDEwMDAwMDBaFw0yMDEyMzEwMDAw
MDBaMBIxEDAOBgNVBAMMB21ldHJpY3MwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC
AAT/ErQ3Oi5erGIhqD0Nw+HJlnlBHhpnbbpQxgCsm7p18Z9tUzVvhORCXexvMPTY
AK6CVAymFKoX1bwXMIPAxonso0EwPzAeBgNVHREEFzAVghNtZXRyaWNzLmV4YW1w
bGUub3JnMB0GA1UdDgQWBBQg8pMWQucviZgHpcIrASe7ufjy1jAKBggqhkjOPQQD
AgNIADBFAiEAoq23Qyz17jzQ2ueGHw4kcQ6clTa16vwEx0bu2+x+3VACICt/6fXs
MUoKJO3lhUZfGV+BzViXf1MMNAOWyfNGAAnr
-----END CERTIFICATE-----
`;
export const OTHER_KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgcvrSqeERaWtt0cA/
FBFp4a4rXQeYh6+pBOpOnmXzLSWhRANCAAQoLhkTCHWWhCgX8PgYlKeGnXjmFHhP
l4zs5OrzpHDp8wjic0/HJlvnWd1AHx91V0l5dob/EtleOyz411ookv5Z
-----END PRIVATE KEY-----
`;
/** The bcrypt hash of a password, for tests alone. */
export const HASH = "$2b$10$rF2eDtwjyA7ksuUEThr2rO35/.8lMNEh4PIFrXW0Tj2kZOe2G4LwK";
