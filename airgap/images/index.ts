import { createHash } from "node:crypto";
import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { ALERTMANAGER_VERSION, buildAlertmanager } from "../toolchain/alertmanager";
import { buildCaddy } from "../toolchain/caddy";
import { buildCadvisor } from "../toolchain/cadvisor";
import { run } from "../../lib/run";
import { exists } from "../../lib/cache";
import { buildNodeExporter, NODE_EXPORTER_VERSION } from "../toolchain/nodeExporter";
import { buildPrometheus, type PrometheusRelease } from "../toolchain/prometheus";
import { staticBusybox } from "./busybox";

/** An image that is made from files alone. */
interface Recipe {
  /** Files by their path in the image: a file to copy, or the text. */
  files: Record<string, { copy: string } | { text: string }>;
  /** Commands of the shell, beside `sh` itself. */
  applets: readonly string[];
  /** Folders of the user that the image runs as, with what is in them. */
  owned: readonly string[];
  /** Instructions of a Dockerfile. */
  changes: readonly string[];
}

const PASSWD = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n";
const GROUP = "root:x:0:\nnobody:x:65534:\n";
const CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt";
const NOBODY = 65_534;
const LABEL = "llm-metrics.airgap";

const words = (text: string) => text.split(" ");

/** What the official image of the same name has of what this project uses: paths, user, entry point, defaults. */
const RECIPES: Record<string, () => Promise<Recipe>> = {
  "prom/prometheus:v3.13.5": () => prometheus("3.13.5"),
  "prom/prometheus:v3.13.4": () => prometheus("3.13.4"),
  // This machine's Node and its libraries; what runs in it is made for Node 20 and newer.
  "node:24.11.1-bookworm-slim": async () => ({
    // NVIDIA's library, which its toolkit puts into the container, can need librt too, and comes without it.
    files: await withLibraries(process.execPath, "usr/local/bin/node", "librt.so.1"),
    applets: words("cat ls mv rm sleep stat tail touch xargs"),
    owned: [],
    changes: ["ENV PATH=/usr/local/bin:/usr/bin:/bin", 'CMD ["node"]'],
  }),
  "caddy:2.11.9-alpine": async () => ({
    files: { "usr/bin/caddy": { copy: path.join(await buildCaddy(), "caddy") } },
    applets: words("cat chmod chown cp grep ip ls mkdir mv rm sleep stat tail wget xargs"),
    owned: [],
    changes: [
      "ENV XDG_CONFIG_HOME=/config XDG_DATA_HOME=/data",
      "EXPOSE 80 443",
      "WORKDIR /srv",
      'CMD ["caddy","run","--config","/etc/caddy/Caddyfile","--adapter","caddyfile"]',
    ],
  }),
  [`prom/alertmanager:v${ALERTMANAGER_VERSION}`]: async () => {
    const built = await buildAlertmanager();
    return {
      files: {
        "bin/alertmanager": { copy: path.join(built, "alertmanager") },
        "bin/amtool": { copy: path.join(built, "amtool") },
        "etc/alertmanager/alertmanager.yml": {
          text: "route:\n  receiver: none\nreceivers:\n  - name: none\n",
        },
      },
      applets: words("cat cp ls mkdir mv rm stat wget"),
      owned: ["alertmanager", "etc/alertmanager"],
      changes: [
        "USER nobody",
        "WORKDIR /alertmanager",
        "EXPOSE 9093",
        "VOLUME /alertmanager",
        'ENTRYPOINT ["/bin/alertmanager"]',
        'CMD ["--config.file=/etc/alertmanager/alertmanager.yml","--storage.path=/alertmanager"]',
      ],
    };
  },
  [`prom/node-exporter:v${NODE_EXPORTER_VERSION}`]: async () => ({
    files: { "bin/node_exporter": { copy: path.join(await buildNodeExporter(), "node_exporter") } },
    applets: ["wget"],
    owned: [],
    changes: ["USER nobody", "EXPOSE 9100", 'ENTRYPOINT ["/bin/node_exporter"]'],
  }),
  "ghcr.io/google/cadvisor:v0.60.5": async () => ({
    files: { "usr/bin/cadvisor": { copy: path.join(await buildCadvisor(), "cadvisor") } },
    applets: words("date grep ls sleep stat wget"),
    owned: [],
    changes: [
      "EXPOSE 8080",
      "HEALTHCHECK --interval=30s --timeout=3s --start-period=5s CMD wget -q --spider http://127.0.0.1:8080/healthz",
      'ENTRYPOINT ["/usr/bin/cadvisor","-logtostderr"]',
    ],
  }),
};

/** Whether {@link buildImage} knows an image. */
export const canBuild = (reference: string): boolean => reference in RECIPES;

/** Whether an image of a Docker daemon was built here, by this or an older recipe, and is not the official one. */
export const wasBuilt = async (reference: string, dockerHost: string): Promise<boolean> =>
  (await builtIdentity(reference, dockerHost)) !== "";

/** The label of an image that was built here; "" for any other image, and for none. */
const builtIdentity = (reference: string, dockerHost: string): Promise<string> =>
  run("docker", ["image", "inspect", "--format", `{{index .Config.Labels "${LABEL}"}}`, reference], {
    env: { DOCKER_HOST: dockerHost },
  }).then(
    (identity) => identity.trim(),
    () => "",
  );

/**
 * Gives a Docker daemon an image that it cannot pull, made from Go modules. An official image of that name is left alone.
 *
 * @param reference one of those that it knows
 * @param dockerHost the daemon, as in DOCKER_HOST
 * @throws Error that names the known references when it is another one
 */
export async function buildImage(reference: string, dockerHost: string): Promise<void> {
  const recipe = RECIPES[reference];
  if (!recipe)
    throw new Error(
      `the image ${reference} is not on the Docker host, cannot be pulled, and cannot be built here; that can be: ${Object.keys(RECIPES).join(", ")}`,
    );
  await importImage(reference, await recipe(), dockerHost);
}

/**
 * Gives a Docker daemon an image with a shell and the usual small commands, for containers of tests.
 *
 * @param start the instruction of a Dockerfile that says what it runs; by default it does nothing for a day
 * @param files files to copy, by their path in the image
 */
export async function buildShellImage(
  reference: string,
  dockerHost: string,
  start = 'CMD ["sleep","100000"]',
  files: Record<string, { copy: string }> = {},
): Promise<void> {
  await importImage(
    reference,
    {
      files,
      applets: words("base64 cat dd head httpd ls mkdir rm sleep wget"),
      owned: [],
      changes: [start],
    },
    dockerHost,
  );
}

async function importImage(reference: string, recipe: Recipe, dockerHost: string): Promise<void> {
  const docker = (...args: string[]) => run("docker", args, { env: { DOCKER_HOST: dockerHost } });
  const identity = await identityOf(recipe);
  if ((await builtIdentity(reference, dockerHost)) === identity) return;

  const folder = await mkdtemp(path.join(os.tmpdir(), "image-"));
  try {
    const archive = await rootArchive(recipe, folder);
    const changes = [
      ...recipe.changes,
      `LABEL ${LABEL}=${identity}`,
      "LABEL org.opencontainers.image.description=Made_by_llm-metrics_from_package_registries",
    ];
    await docker("import", ...changes.flatMap((change) => ["--change", change]), archive, reference);
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function prometheus(release: PrometheusRelease): Promise<Recipe> {
  const built = await buildPrometheus(release);
  return {
    files: {
      "bin/prometheus": { copy: path.join(built, "prometheus") },
      "bin/promtool": { copy: path.join(built, "promtool") },
      "etc/prometheus/prometheus.yml": {
        text: "global:\n  scrape_interval: 15s\nscrape_configs:\n  - job_name: prometheus\n    static_configs:\n      - targets: [localhost:9090]\n",
      },
    },
    applets: words("cat cmp cp diff head ls mkdir mv rm stat wget"),
    owned: ["prometheus", "etc/prometheus"],
    changes: [
      "USER nobody",
      "WORKDIR /prometheus",
      "EXPOSE 9090",
      "VOLUME /prometheus",
      'ENTRYPOINT ["/bin/prometheus"]',
      'CMD ["--config.file=/etc/prometheus/prometheus.yml","--storage.tsdb.path=/prometheus"]',
    ],
  };
}

/** A program and the shared libraries that it needs, where it looks for them, and one more that is beside the C library. */
async function withLibraries(program: string, to: string, more: string): Promise<Recipe["files"]> {
  const libraries = [...(await run("ldd", [program])).matchAll(/(?:=> )?(\/\S+) \(0x/g)].map(
    ([, library = ""]) => library,
  );
  const libc = libraries.find((library) => library.endsWith("/libc.so.6"));
  if (libc) libraries.push(path.join(path.dirname(libc), more));
  return Object.fromEntries([
    [to, { copy: program }],
    ...libraries.map((library) => [library.slice(1), { copy: library }]),
  ]) as Recipe["files"];
}

/** Changes with everything that the image is made of. */
async function identityOf(recipe: Recipe): Promise<string> {
  const hash = createHash("sha256").update(JSON.stringify([recipe, PASSWD, GROUP]));
  for (const file of Object.values(recipe.files)) if ("copy" in file) hash.update(await readFile(file.copy));
  return hash.digest("hex").slice(0, 16);
}

/** Lays the files out below a folder and packs them. */
async function rootArchive({ files, applets, owned }: Recipe, folder: string): Promise<string> {
  const root = path.join(folder, "root");
  const place = async (to: string, write: (file: string) => Promise<unknown>) => {
    await mkdir(path.dirname(path.join(root, to)), { recursive: true });
    await write(path.join(root, to));
  };
  await place("bin/busybox", async (file) => copyFile(await staticBusybox(), file));
  for (const applet of ["sh", ...applets])
    await place(`bin/${applet}`, (file) => run("ln", ["-s", "busybox", file]));
  for (const [to, file] of Object.entries<Recipe["files"][string]>({
    "etc/passwd": { text: PASSWD },
    "etc/group": { text: GROUP },
    ...files,
  }))
    await place(to, (target) =>
      "copy" in file ? copyFile(file.copy, target) : writeFile(target, file.text),
    );
  if (await exists(CERTIFICATES))
    await place(CERTIFICATES.slice(1), (target) => copyFile(CERTIFICATES, target));
  for (const directory of ["tmp", ...owned]) await mkdir(path.join(root, directory), { recursive: true });

  await chmod(path.join(root, "tmp"), 0o1777);

  const archive = path.join(folder, "root.tar");
  const tar = (mode: string, owner: number, ...args: string[]) => {
    const owners = ["--numeric-owner", `--owner=${owner}`, `--group=${owner}`];
    // Containers run as other users than the one whose umask made the files.
    return run("tar", [mode, "-f", archive, ...owners, "--mode=a+rX", "-C", root, ...args]);
  };
  await tar("-c", 0, ...owned.map((directory) => `--exclude=./${directory}`), ".");
  if (owned.length > 0) await tar("-r", NOBODY, ...owned.map((directory) => `./${directory}`));
  return archive;
}
