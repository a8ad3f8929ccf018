import * as z from "zod";
import { flag, isCertificate, isPrivateKey, notUsable, oneOf, text, url } from "./formats";

/** Where a value is in an entry of a setting: keys and indexes. */
export type Path = (string | number)[];

/** Keeps a secret in a file, and returns the file's path in Prometheus's container. */
export type Store = (path: Path, secret: string) => string;

export const secret = text((value) => value.trim() !== "", "a text that is not empty");

/** A file of the user's: Prometheus's container mounts none. */
const noFile = (inline: string) =>
  notUsable(`no file of the host is in Prometheus's container; set ${inline} to the content of the file`);
/** A reference to a secret manager, which the server of Prometheus does not have. */
const noReference = (inline: string) => notUsable(`Prometheus has no secret manager; set ${inline}`);

/** A value with its alternatives `…_file` and `…_ref`. */
const inlineOnly = <const Name extends string, Type extends z.ZodType>(name: Name, type: Type) =>
  ({
    [name]: type.optional(),
    [`${name}_file`]: noFile(name),
    [`${name}_ref`]: noReference(name),
  }) as Record<Name, z.ZodOptional<Type>> &
    Record<`${Name}_file` | `${Name}_ref`, ReturnType<typeof notUsable<string>>>;

const tlsVersion = oneOf("TLS10", "TLS11", "TLS12", "TLS13").optional();
const tlsConfig = z.strictObject({
  ...inlineOnly("ca", text(isCertificate, "a certificate as PEM (-----BEGIN CERTIFICATE-----)")),
  ...inlineOnly("cert", text(isCertificate, "a certificate as PEM (-----BEGIN CERTIFICATE-----)")),
  ...inlineOnly("key", text(isPrivateKey, "a private key as PEM, without a passphrase")),
  server_name: z.string().optional(),
  insecure_skip_verify: flag.optional(),
  min_version: tlsVersion,
  max_version: tlsVersion,
});

const proxyConnectHeader = z
  .record(z.string(), z.array(z.string()))
  .refine((headers) => !Object.keys(headers).some((name) => name.toLowerCase() === "proxy-authorization"), {
    error: "must not have Proxy-Authorization: Prometheus reads it from no file, so it would be in plaintext",
  });

const proxyConfig = {
  proxy_url: url.optional(),
  no_proxy: z.string().optional(),
  proxy_from_environment: flag.optional(),
  proxy_connect_header: proxyConnectHeader.optional(),
};

const oauth2 = z.strictObject({
  client_id: z.string(),
  ...inlineOnly("client_secret", secret),
  client_certificate_key_id: z.string().optional(),
  ...inlineOnly("client_certificate_key", secret),
  grant_type: z.string().optional(),
  signature_algorithm: z.string().optional(),
  iss: z.string().optional(),
  audience: z.string().optional(),
  claims: z.record(z.string(), z.unknown()).optional(),
  scopes: z.array(z.string()).optional(),
  token_url: url,
  endpoint_params: z.record(z.string(), z.string()).optional(),
  tls_config: tlsConfig.optional(),
  ...proxyConfig,
});

const httpHeader = z.strictObject({
  values: z.array(z.string()).optional(),
  secrets: z.array(secret).optional(),
  files: notUsable<string[]>(
    "no file of the host is in Prometheus's container; set secrets to the contents of the files",
  ),
});

/** How Prometheus connects and logs in. Source: prometheus/common v0.69.0, config/http_config.go. */
export const httpClient = z.strictObject({
  basic_auth: z
    .strictObject({ ...inlineOnly("username", z.string()), ...inlineOnly("password", secret) })
    .optional(),
  authorization: z
    .strictObject({ type: z.string().optional(), ...inlineOnly("credentials", secret) })
    .optional(),
  oauth2: oauth2.optional(),
  bearer_token: secret.optional(),
  bearer_token_file: noFile("bearer_token"),
  tls_config: tlsConfig.optional(),
  follow_redirects: flag.optional(),
  enable_http2: flag.optional(),
  ...proxyConfig,
  http_headers: z.record(z.string(), httpHeader).optional(),
});

/** The keys of {@link httpClient} whose values can have a secret in them; errors do not show these values. */
export const SECRET_PARENTS: readonly string[] = [
  "authorization",
  "basic_auth",
  "bearer_token",
  "http_headers",
  "oauth2",
  "proxy_connect_header",
  "proxy_url",
  "tls_config",
  "token_url",
  "url",
];

export type HttpClient = z.infer<typeof httpClient>;

/** Moves the secrets of a client's settings into files: `password` becomes `password_file`. */
export function moveSecrets<Client extends HttpClient>(
  client: Client,
  store: Store,
  path: Path = [],
): Client {
  const moved: Client = { ...moveFields(client, store, path, "bearer_token") };
  const { authorization, basic_auth, oauth2, tls_config, http_headers } = client;
  if (authorization)
    moved.authorization = moveFields(authorization, store, [...path, "authorization"], "credentials");
  if (basic_auth) moved.basic_auth = moveFields(basic_auth, store, [...path, "basic_auth"], "password");
  if (oauth2) moved.oauth2 = moveOauth2(oauth2, store, [...path, "oauth2"]);
  if (tls_config) moved.tls_config = moveTls(tls_config, store, [...path, "tls_config"]);
  if (http_headers)
    moved.http_headers = Object.fromEntries(
      Object.entries(http_headers).map(([name, header]) => [
        name,
        moveHeader(header, store, [...path, "http_headers", name]),
      ]),
    );
  return moved;
}

function moveOauth2(options: z.infer<typeof oauth2>, store: Store, path: Path): z.infer<typeof oauth2> {
  const moved = moveFields(options, store, path, "client_secret", "client_certificate_key");
  if (options.tls_config) moved.tls_config = moveTls(options.tls_config, store, [...path, "tls_config"]);
  return moved;
}

/** promtool takes a key's file only with the certificate's file. Source: cmd/promtool/main.go, checkTLSConfig. */
const moveTls = (options: z.infer<typeof tlsConfig>, store: Store, path: Path): z.infer<typeof tlsConfig> =>
  options.key === undefined ? options : moveFields(options, store, path, "cert", "key");

function moveHeader(
  { values, secrets = [] }: z.infer<typeof httpHeader>,
  store: Store,
  path: Path,
): z.infer<typeof httpHeader> {
  const files = secrets.map((value, index) => store([...path, "secrets", index], value));
  return { values, files: files.length > 0 ? files : undefined };
}

/** Replaces each named field by its variant `…_file`, in its place. */
function moveFields<Options extends object>(
  options: Options,
  store: Store,
  path: Path,
  ...fields: (keyof Options & string)[]
): Options {
  const entries = Object.entries(options) as [keyof Options & string, unknown][];
  return Object.fromEntries(
    entries.map(([field, value]) =>
      fields.includes(field) && typeof value === "string"
        ? [`${field}_file`, store([...path, field], value)]
        : [field, value],
    ),
  ) as Options;
}
