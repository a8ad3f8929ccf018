import { buildGoCommands } from "./goCommands";

const VERSION = "2.11.9";

/**
 * Builds Caddy with its standard modules.
 *
 * @returns the folder with `caddy`
 */
export const buildCaddy = (): Promise<string> =>
  buildGoCommands({
    name: "caddy",
    module: {
      path: "github.com/caddyserver/caddy/v2",
      version: `v${VERSION}`,
      sum: "h1:bhZtcRKQOq0fuLvEgCdPYvUxXyGn9kzjG4lh2332DTE=",
    },
    packages: ["./cmd/caddy"],
    ldflags: `-X github.com/caddyserver/caddy/v2.CustomVersion=v${VERSION}`,
  });
