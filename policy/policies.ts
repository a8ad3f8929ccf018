import type { local } from "@pulumi/command";
import type { ContainerArgs, RemoteImageArgs, VolumeArgs } from "@pulumi/docker";
import type { Policies, ResourceValidation, ResourceValidationArgs } from "@pulumi/policy";
import type { Unwrap } from "@pulumi/pulumi";

type Container = Unwrap<ContainerArgs>;

/** What some containers may have and others may not, by the ends of their names; docs/privileges.md says what for. */
const ALLOWED = {
  capabilities: {
    SYSLOG: /-cadvisor$/,
    // The program's file in Caddy's official image carries it, and does not start where it is out of reach.
    NET_BIND_SERVICE: /-(docker-proxy|gateway)$/,
  } as Record<string, RegExp>,
  sockets: /-(cadvisor|gpu-exporter|docker-proxy)$/,
  hostPids: /-gpu-exporter$/,
};
/** Where a container of this name is, the others reach the Docker API through it, and none has a socket. */
const DOCKER_PROXY = /-docker-proxy$/;
/** What may be reached from other hosts, where the settings give it TLS (tlsCertificate, tlsNames) and a login (users, clientCa). */
const GATEWAY = /-gateway$/;
const INTERVAL = "30s";

/** Environments for development and tests. Every other is a real one. */
const isForTests = (stack: string) => /^(dev|test|bench)(?![a-z])/.test(stack);
const isProduction = (stack: string) => stack.startsWith("prod");

/**
 * What every stack has to keep to. A violation ends a preview as failed; an update stops at the resource that has it.
 *
 * @param config the stack's configuration, as `pulumi config` shows it, with the project's defaults
 */
export function policies(config: Record<string, string>): Policies {
  const { "llm-metrics:scrapeInterval": scrapeInterval, "llm-metrics:protectData": protectData } = config;
  const [hasTls, hasLogin] = [
    ["tlsCertificate", "tlsNames"],
    ["users", "clientCa"],
  ].map((keys) => keys.some((key) => !["", "[]"].includes(config[`llm-metrics:${key}`] ?? "")));

  return [
    {
      name: "image-pinned",
      description: "Images have a tag other than latest, or a digest.",
      validateResource: [
        onContainers(({ image }) => unpinned(image)),
        on("docker:index/remoteImage:RemoteImage", ({ name }) => unpinned(name)),
      ],
    },
    {
      name: "not-privileged",
      description: "No container is privileged, or without the kernel's filters.",
      validateResource: onContainers(({ privileged, securityOpts = [] }) => [
        ...(privileged
          ? ["it is privileged: remove that, and give it the devices and mounts that it needs"]
          : []),
        ...securityOpts
          .filter((option) => option.endsWith("unconfined"))
          .map(
            (option) => `its security option is ${option}: remove that, so that Docker's own profile applies`,
          ),
      ]),
    },
    {
      name: "capabilities",
      description: "Containers drop all capabilities, and add only those that each may have.",
      validateResource: onContainers(({ capabilities: { drops = [], adds = [] } = {} }, name) => [
        ...(drops.map(capability).includes("ALL")
          ? []
          : ['it keeps the capabilities that Docker gives: set capabilities.drops to ["ALL"]']),
        ...adds
          .filter((add) => !ALLOWED.capabilities[capability(add)]?.test(name))
          .map((add) => `it adds the capability ${add}: remove it, or run the program so that it needs none`),
      ]),
    },
    {
      name: "read-only-root",
      description: "Containers have a read-only root filesystem.",
      validateResource: onContainers(({ readOnly }) =>
        readOnly
          ? []
          : ["its root filesystem is writable: set readOnly to true, and mount a volume for what it writes"],
      ),
    },
    {
      name: "no-new-privileges",
      description: "No program in a container gains privileges.",
      validateResource: onContainers(({ securityOpts = [] }) =>
        securityOpts.some((option) => /^no-new-privileges([:=]true)?$/.test(option))
          ? []
          : ['its programs may gain privileges: add "no-new-privileges:true" to securityOpts'],
      ),
    },
    {
      name: "sockets",
      description: "Only what asks the Docker API has its socket, or containerd's, and read-only.",
      validateResource: onContainers((container, name) =>
        sockets(container).flatMap(({ path, readOnly }) =>
          ALLOWED.sockets.test(name)
            ? readOnly
              ? []
              : [`it mounts ${path} writable: set readOnly to true`]
            : [`it mounts ${path}, by which the host is controlled: remove that, or ask a docker-proxy`],
        ),
      ),
    },
    {
      name: "sockets-behind-proxy",
      description: "Where a docker-proxy is, nothing else has the Docker API's socket, or containerd's.",
      validateStack: ({ resources }, report) => {
        const containers = resources
          .filter(({ type }) => type === CONTAINER)
          .map(({ props, name, urn }) => ({
            container: props as Container,
            name: named(props as Container, name),
            urn,
          }));
        if (!containers.some(({ name }) => DOCKER_PROXY.test(name))) return;
        for (const { container, name, urn } of containers)
          if (!DOCKER_PROXY.test(name))
            for (const { path } of sockets(container))
              report(
                `${name} mounts ${path} though there is a docker-proxy: remove that, and let it ask the proxy`,
                urn,
              );
      },
    },
    {
      name: "loopback",
      description: "Ports are published on loopback only, but by a gateway that has TLS and a login.",
      validateResource: onContainers(({ ports = [], publishAllPorts }, name) => [
        ...(publishAllPorts
          ? ["it publishes all ports on every address: list them in ports, with ip 127.0.0.1"]
          : []),
        ...ports
          .filter(({ ip = "0.0.0.0" }) => !/^(127\.|::1$)/.test(ip))
          .filter(() => !(GATEWAY.test(name) && hasTls && hasLogin))
          .map(
            ({ ip = "0.0.0.0", internal }) => `it publishes port ${internal} on ${ip}: set ip to 127.0.0.1`,
          ),
      ]),
    },
    {
      name: "host-namespaces",
      description: "Containers have namespaces of their own.",
      validateResource: onContainers((container, name) =>
        (["networkMode", "pidMode", "ipcMode", "usernsMode", "cgroupnsMode"] as const)
          .filter((mode) => container[mode] === "host")
          .filter((mode) => !(["pidMode", "cgroupnsMode"].includes(mode) && ALLOWED.hostPids.test(name)))
          .map((mode) => `its ${mode} is host: remove that, and join a network or mount what it has to see`),
      ),
    },
    {
      name: "limits",
      description: "Containers have limits of memory and CPU.",
      validateResource: onContainers(({ memory, cpus, cpuQuota }) => [
        ...(memory ? [] : ["it may take all memory of the host: set memory, in MiB"]),
        ...(Number(cpus) > 0 || cpuQuota
          ? []
          : ['it may take every CPU of the host: set cpus, such as "0.5"']),
      ]),
    },
    {
      name: "health-check",
      description: "Containers have a health check.",
      validateResource: onContainers(({ healthcheck }) =>
        healthcheck?.tests?.[0]?.startsWith("CMD")
          ? []
          : ["nothing tells whether it works: set healthcheck to a command that asks it"],
      ),
    },
    {
      name: "scrape-interval",
      description: `Prometheus scrapes every ${INTERVAL} in real environments: all but dev, test and bench.`,
      validateResource: [
        // The setting is checked at the stack itself, so that an update stops before it changes anything.
        on("pulumi:pulumi:Stack", (_, { stack }) => wrongInterval(stack, scrapeInterval)),
        on("command:local:Command", ({ stdin }, { stack }) => wrongInterval(stack, globalInterval(stdin))),
        on(CONTAINER, ({ uploads = [] }, { stack }) =>
          uploads.flatMap(({ content }) => wrongInterval(stack, globalInterval(content))),
        ),
      ],
    },
    {
      name: "data-protected",
      description:
        "Volumes with data are protected in production, and where the setting protectData says so.",
      validateResource: [
        on("pulumi:pulumi:Stack", (_, { stack }) =>
          isProduction(stack) && protectData === "false"
            ? ["llm-metrics:protectData is false: set it to true, so that no destroy takes the samples"]
            : [],
        ),
        on("docker:index/volume:Volume", (volume, { stack, name, protect }) =>
          (isProduction(stack) || protectData === "true") && /data$/.test(named(volume, name)) && !protect
            ? ["a destroy takes its data: set the resource option protect to true"]
            : [],
        ),
      ],
    },
  ];
}

/** The types that are checked, and their inputs. */
interface Inputs {
  "pulumi:pulumi:Stack": object;
  "docker:index/container:Container": Container;
  "docker:index/remoteImage:RemoteImage": Unwrap<RemoteImageArgs>;
  "docker:index/volume:Volume": Unwrap<VolumeArgs>;
  "command:local:Command": Unwrap<local.CommandArgs>;
}
const CONTAINER = "docker:index/container:Container";

/** What a check knows of a resource besides its inputs. */
interface About {
  name: string;
  stack: string;
  protect: boolean;
}

/**
 * Checks the resources of a type; the check tells what is wrong, with the remedy. `validateResourceOfType` of
 * `@pulumi/policy` would load all of `@pulumi/docker` to know the type's name.
 */
function on<Type extends keyof Inputs>(
  type: Type,
  check: (inputs: Inputs[Type], about: About) => string[],
): ResourceValidation {
  return (resource: ResourceValidationArgs, report) => {
    if (resource.type !== type) return;
    const { props, name, urn, opts } = resource;
    const stack = /^urn:pulumi:(.*?)::/.exec(urn)?.[1] ?? "";
    for (const problem of check(props as Inputs[Type], { name, stack, protect: opts.protect }))
      report(problem);
  };
}

const onContainers = (check: (container: Container, name: string) => string[]) =>
  on(CONTAINER, (container, { name }) => check(container, named(container, name)));

/** The name on the Docker host; the resource's, where Pulumi makes one of it. */
const named = ({ name }: { name?: string | undefined }, resource: string) => name ?? resource;

const unpinned = (image: string) =>
  /@?sha256:[0-9a-f]{64}$/.test(image) || /:(?!latest$)\w[\w.-]*$/.test(image)
    ? []
    : [
        `the image is ${image}: name it by a tag other than latest, or by a digest, such as prom/prometheus:v3.13.5`,
      ];

const capability = (name: string) => name.toUpperCase().replace(/^CAP_/, "");

/** What a container mounts of the host that is the Docker API's or containerd's socket, or a folder with it. */
function sockets({ volumes = [], mounts = [] }: Container): { path: string; readOnly: boolean }[] {
  return [
    ...volumes.map(({ hostPath = "", readOnly = false }) => ({ path: hostPath, readOnly })),
    ...mounts.map(({ type, source = "", readOnly = false }) => ({
      path: type === "bind" ? source : "",
      readOnly,
    })),
  ].filter(({ path }) =>
    /^\/$|\/(docker|containerd)\.sock$|^(\/var)?\/run(\/containerd)?\/?$|^\/var\/?$/.test(path),
  );
}

/** The interval that a Prometheus configuration in a text has for all its jobs. */
const globalInterval = (text = "") => /^\s*global:\s+scrape_interval: (\S+)$/m.exec(text)?.[1];

const wrongInterval = (stack: string, interval = INTERVAL) =>
  interval === INTERVAL || isForTests(stack)
    ? []
    : [
        `the scrape interval is ${interval}, and ${stack} is a real environment: set llm-metrics:scrapeInterval to ${INTERVAL}, ` +
          "or name the stack dev-…, test-… or bench-…",
      ];
