/** A route of Caddy. Source: caddyserver.com/docs/json */
export interface Route {
  match?: object[];
  handle: object[];
  terminal?: boolean;
}

/** Caddy's configuration of a program that forwards few requests, without certificates and a storage for them. */
export const filterConfig = <Servers extends object>(servers: Servers) => ({
  admin: { disabled: true, config: { persist: false } },
  apps: {
    tls: { disable_storage_check: true, disable_storage_clean: true },
    http: { grace_period: "2s", servers },
  },
});

/** Answers a request with a handler. Only rejected requests are logged. */
export const answer = (match: object, handler: object): Route => ({
  match: [match],
  handle: [{ handler: "vars", log_skip: true }, handler],
  terminal: true,
});

/** Rejects a request. */
export const reject = (response: object = {}): Route => ({
  handle: [{ handler: "static_response", status_code: 403, ...response }],
});
