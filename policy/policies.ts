import type { local } from "@pulumi/command";
import type { ContainerArgs, RemoteImageArgs, VolumeArgs } from "@pulumi/docker";
import type { Policies, ResourceValidation, ResourceValidationArgs } from "@pulumi/policy";
import type { Unwrap } from "@pulumi/pulumi";

type Container = Unwrap<ContainerArgs>;

/** Privileges that only some containers may have, by the ends of their names. docs/privileges.md has the reasons. */
const ALLOWED = {
  capabilities: {
    SYSLOG: /-cadvisor$/,
    // The file capability of the program in Caddy's official image: without it, the program does not start.
    NET_BIND_SERVICE: /-(docker-proxy|gateway|llm-forwarder)$/,
  } as Record<string, RegExp>,
  sockets: /-(cadvisor|(?<!node-)exporter|docker-proxy)$/,
  hostCgroups: /(?<!-node)-exporter$/,
  /** Only where it measures GPUs. */
  hostPids: /(?<!-node)-exporter$/,
};
/** The container that has the sockets in place of all others. */
const DOCKER_PROXY = /-docker-proxy$/;
/** The container that other hosts may connect to, with the settings for TLS (tlsCertificate, tlsNames) and a login (users, clientCa). */
const GATEWAY = /-gateway$/;
const INTERVAL = "30s";

/** Environments for development and tests; every other one is a real environment. */
const isForTests = (stack: string) => /^(dev|test|bench)(?![a-z])/.test(stack);
const isProduction = (stack: string) => stack.startsWith("prod");

/**
 * The policies for every stack. A violation fails a preview; it stops an update at the resource that violates the policy.
 *
 * @param config the stack's configuration, as `pulumi config` shows it, including the project's defaults
 */
export function policies(config: Record<string, string>): Policies {
  const { "llm-metrics:scrapeInterval": scrapeInterval, "llm-metrics:protectData": protectData } = config;
  const isSet = (key: string) => !["", "[]"].includes(config[`llm-metrics:${key}`] ?? "");
  const hasTls = isSet("tlsCertificate") || isSet("tlsNames");
  const hasLogin = isSet("users") || isSet("clientCa");

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
      description: "Containers are not privileged, and keep Docker's security profiles.",
      validateResource: onContainers(({ privileged, securityOpts = [] }) => [
        ...when(privileged, "it is privileged: remove that, and add the devices and mounts that it needs"),
        ...securityOpts
          .filter((option) => option.endsWith("unconfined"))
          .map((option) => `its security option is ${option}: remove that, so that Docker's profile applies`),
      ]),
    },
    {
      name: "capabilities",
      description: "Containers drop all capabilities, and add only those that they are allowed.",
      validateResource: onContainers(({ capabilities: { drops = [], adds = [] } = {} }, name) => [
        ...when(
          !drops.map(capability).includes("ALL"),
          'it keeps Docker\'s default capabilities: set capabilities.drops to ["ALL"]',
        ),
        ...adds
          .filter((add) => !ALLOWED.capabilities[capability(add)]?.test(name))
          .map((add) => `it adds the capability ${add}: remove it, or run the program without it`),
      ]),
    },
    {
      name: "read-only-root",
      description: "Containers have a read-only root filesystem.",
      validateResource: onContainers(({ readOnly }) =>
        when(
          !readOnly,
          "its root filesystem is writable: set readOnly to true, and mount a volume for the files that it writes",
        ),
      ),
    },
    {
      name: "no-new-privileges",
      description: "Processes in containers cannot gain privileges.",
      validateResource: onContainers(({ securityOpts = [] }) =>
        when(
          !securityOpts.some((option) => /^no-new-privileges([:=]true)?$/.test(option)),
          'its processes can gain privileges: add "no-new-privileges:true" to securityOpts',
        ),
      ),
    },
    {
      name: "sockets",
      description: "Only containers that query the Docker API mount its socket or containerd's, read-only.",
      validateResource: onContainers((container, name) =>
        sockets(container).flatMap(({ path, readOnly }) =>
          ALLOWED.sockets.test(name)
            ? when(!readOnly, `it mounts ${path} writable: set readOnly to true`)
            : [`it mounts ${path}, which gives it control of the host: remove that, or use a docker-proxy`],
        ),
      ),
    },
    {
      name: "sockets-behind-proxy",
      description: "With a docker-proxy, no other container mounts the Docker API's socket or containerd's.",
      validateResource: socketsBehindProxy(),
    },
    {
      name: "loopback",
      description: "Ports are published on loopback, or by a gateway with TLS and a login.",
      validateResource: onContainers(({ ports = [], publishAllPorts }, name) => [
        ...when(
          publishAllPorts,
          "it publishes all ports on every address: list them in ports, with ip 127.0.0.1",
        ),
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
          .filter((mode) => !(mode === "cgroupnsMode" && ALLOWED.hostCgroups.test(name)))
          .filter((mode) => !(mode === "pidMode" && ALLOWED.hostPids.test(name) && hasGpus(container)))
          .map(
            (mode) => `its ${mode} is host: remove that, and join a network or mount the files that it reads`,
          ),
      ),
    },
    {
      name: "limits",
      description: "Containers have memory and CPU limits.",
      validateResource: onContainers(({ memory, cpus, cpuQuota }) => [
        ...when(!memory, "it can use all memory of the host: set memory, in MiB"),
        ...when(!(Number(cpus) > 0 || cpuQuota), 'it can use all CPUs of the host: set cpus, such as "0.5"'),
      ]),
    },
    {
      name: "health-check",
      description: "Containers have a health check.",
      validateResource: onContainers(({ healthcheck }) =>
        when(
          !healthcheck?.tests?.[0]?.startsWith("CMD"),
          "it has no health check: set healthcheck to a command that queries its service",
        ),
      ),
    },
    {
      name: "scrape-interval",
      description: `Prometheus scrapes every ${INTERVAL}, except in environments for development and tests.`,
      validateResource: [
        // The setting is checked with the stack, the first resource, so that an update stops before it changes anything.
        on("pulumi:pulumi:Stack", (_, { stack }) => wrongInterval(stack, scrapeInterval)),
        on("command:local:Command", ({ stdin }, { stack }) => wrongInterval(stack, globalInterval(stdin))),
        on(CONTAINER, ({ uploads = [] }, { stack }) =>
          uploads.flatMap(({ content }) => wrongInterval(stack, globalInterval(content))),
        ),
      ],
    },
    {
      name: "data-protected",
      description: "Data volumes are protected in production, and with the setting protectData.",
      validateResource: [
        on("pulumi:pulumi:Stack", (_, { stack }) =>
          when(
            isProduction(stack) && protectData === "false",
            "llm-metrics:protectData is false: set it to true, so that `pulumi destroy` keeps the samples",
          ),
        ),
        on("docker:index/volume:Volume", (volume, { stack, name, protect }) =>
          when(
            (isProduction(stack) || protectData === "true") &&
              /data$/.test(dockerName(volume, name)) &&
              !protect,
            "`pulumi destroy` removes its data: set the resource option protect to true",
          ),
        ),
      ],
    },
  ];
}

/** The resource types that are checked, and their inputs. */
interface Inputs {
  "pulumi:pulumi:Stack": object;
  "docker:index/container:Container": Container;
  "docker:index/remoteImage:RemoteImage": Unwrap<RemoteImageArgs>;
  "docker:index/volume:Volume": Unwrap<VolumeArgs>;
  "command:local:Command": Unwrap<local.CommandArgs>;
}
const CONTAINER = "docker:index/container:Container";

/** The facts of a resource that a check uses besides its inputs. */
interface ResourceContext {
  name: string;
  stack: string;
  protect: boolean;
}

/**
 * Checks the resources of a type. `validateResourceOfType` of `@pulumi/policy` would load all of `@pulumi/docker` for the name of
 * the type.
 *
 * @param check returns the violations, each with a hint
 */
function on<Type extends keyof Inputs>(
  type: Type,
  check: (inputs: Inputs[Type], context: ResourceContext) => string[],
): ResourceValidation {
  return (resource: ResourceValidationArgs, report) => {
    if (resource.type !== type) return;
    const { props, name, urn, opts } = resource;
    const stack = /^urn:pulumi:(.*?)::/.exec(urn)?.[1] ?? "";
    for (const violation of check(props as Inputs[Type], { name, stack, protect: opts.protect }))
      report(violation);
  };
}

const onContainers = (check: (container: Container, name: string) => string[]) =>
  on(CONTAINER, (container, { name }) => check(container, dockerName(container, name)));

/** The name on the Docker host. Without the input, Pulumi derives it from the resource's name. */
const dockerName = ({ name }: { name?: string | undefined }, resource: string) => name ?? resource;

/** A list with the violation, if there is one. */
const when = (violated: boolean | undefined, violation: string): string[] => (violated ? [violation] : []);

/** Whether a container gets GPUs, by a runtime or by a device request. */
const hasGpus = ({ runtime, deviceRequests = [] }: Container) =>
  runtime !== undefined || deviceRequests.length > 0;

const unpinned = (image: string) =>
  when(
    !/@?sha256:[0-9a-f]{64}$/.test(image) && !/:(?!latest$)\w[\w.-]*$/.test(image),
    `the image is ${image}: name it by a tag other than latest, or by a digest, such as prom/prometheus:v3.13.5`,
  );

const capability = (name: string) => name.toUpperCase().replace(/^CAP_/, "");

/** The mounts of the Docker API's or containerd's socket, or of a folder that contains one. */
function sockets({ volumes = [], mounts = [] }: Container): { path: string; readOnly: boolean }[] {
  return [
    ...volumes.map(({ hostPath = "", readOnly = false }) => ({ path: hostPath, readOnly })),
    ...mounts.map(({ type, source = "", readOnly = false }) => ({
      path: type === "bind" ? source : "",
      readOnly,
    })),
  ].filter(({ path }) =>
    /^\/$|\/(docker|containerd)\.sock$|^(\/var)?\/run\/?$|^(\/var)?\/run\/(.+\/)?containerd\/?$|^\/var\/?$/.test(
      path,
    ),
  );
}

/**
 * Compares each container with those that the program registered before. `validateStack` is no help: after `--refresh`, Pulumi
 * passes it the containers too that the same update deletes (pulumi/pulumi 3.259, `stepExecutor.continueExecuteStep`: the results
 * of the refresh are among `deployment.news`).
 */
function socketsBehindProxy(): ResourceValidation {
  const earlier: string[] = [];
  let hasProxy = false;
  return onContainers((container, name) => {
    const isProxy = DOCKER_PROXY.test(name);
    hasProxy ||= isProxy;
    if (isProxy) return earlier.map(besideProxy);
    const mounts = sockets(container).map(({ path }) => `${name} mounts ${path}`);
    earlier.push(...mounts);
    return hasProxy ? mounts.map(besideProxy) : [];
  });
}

const besideProxy = (mount: string) =>
  `${mount} though there is a docker-proxy: remove that, and connect it to the proxy`;

/** The global scrape interval of a Prometheus configuration in a text. */
const globalInterval = (text = "") => /^\s*global:\s+scrape_interval: (\S+)$/m.exec(text)?.[1];

const wrongInterval = (stack: string, interval = INTERVAL) =>
  when(
    interval !== INTERVAL && !isForTests(stack),
    `the scrape interval is ${interval}, and ${stack} is a real environment: set llm-metrics:scrapeInterval to ${INTERVAL}, ` +
      "or name the stack dev-…, test-… or bench-…",
  );
