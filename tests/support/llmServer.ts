import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { settings } from "./settings";
import type { Authority } from "./certificates";
import { docker } from "./docker";

/** The label values that vLLM writes of its configuration, one label for each field, and of its adapters. */
const FIELDS = Array.from({ length: 40 }, (_, i) => `field_${i}="value ${i}"`).join(",");
const ADAPTERS = Array.from(
  { length: 120 },
  (_, i) => `adapter-${String(i).padStart(3, "0")}-of-a-team`,
).join(",");

/** A page such as vLLM's: one series has 40 labels, another one has a label of 2,639 characters. */
const PAGE = [
  "# TYPE vllm:cache_config_info gauge",
  `vllm:cache_config_info{${FIELDS}} 1`,
  "# TYPE vllm:lora_requests_info gauge",
  `vllm:lora_requests_info{waiting_lora_adapters="${ADAPTERS}"} 1`,
  "",
].join("\n");

const page = {
  handler: "static_response",
  headers: { "Content-Type": ["text/plain; version=0.0.4"] },
  body: PAGE,
};

/** The targets that the server lists for service discovery. */
const TARGETS = {
  handler: "static_response",
  headers: { "Content-Type": ["application/json"] },
  body: JSON.stringify([{ targets: ["llm:8001"] }]),
};

/**
 * Starts a server in a container under the alias `llm`: port 8000 wants a bearer token, port 8443 a client certificate of the
 * authority, port 8001 neither. What it is configured with is in files, so that `docker inspect` does not show the token.
 *
 * @returns the container's id
 */
export async function startLlmServer(
  folder: string,
  { network, token, authority }: { network: string; token: string; authority: Authority },
): Promise<string> {
  const { certificate, key } = await authority.certify("llm");
  const refused = { handler: "static_response", status_code: 401 };
  const authorized = { header: { Authorization: [`Bearer ${token}`] } };
  const config = {
    admin: { disabled: true },
    apps: {
      http: {
        servers: {
          token: {
            listen: [":8000"],
            routes: [{ match: [authorized], handle: [page], terminal: true }, { handle: [refused] }],
          },
          open: {
            listen: [":8001"],
            routes: [
              { match: [{ path: ["/targets"] }], handle: [TARGETS], terminal: true },
              { handle: [page] },
            ],
          },
          certificate: {
            listen: [":8443"],
            automatic_https: { disable: true },
            tls_connection_policies: [
              {
                client_authentication: {
                  mode: "require_and_verify",
                  ca: { provider: "file", pem_files: ["/server/ca.pem"] },
                },
              },
            ],
            routes: [{ handle: [page] }],
          },
        },
      },
      tls: {
        certificates: { load_files: [{ certificate: "/server/server.pem", key: "/server/server.key" }] },
      },
    },
  };
  const server = path.join(folder, "server");
  await mkdir(server);
  const files = {
    "caddy.json": JSON.stringify(config),
    "ca.pem": await authority.certificate(),
    "server.pem": certificate,
    "server.key": key,
  };
  for (const [name, content] of Object.entries(files)) await writeFile(path.join(server, name), content);
  const start = ["caddy", "run", "--config", "/server/caddy.json"];
  const id = await docker(
    ...["create", "--network", network, "--network-alias", "llm", settings().caddyImage, ...start],
  );
  await docker("cp", server, `${id}:/server`);
  await docker("start", id);
  return id;
}
