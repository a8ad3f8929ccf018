import { parseContainers, parseDockerInfo, parseListeners } from "../../../host/facts";

const info = {
  Name: "llm-1",
  ServerVersion: "20.10.24+dfsg1",
  OSType: "linux",
  DockerRootDir: "/data/docker",
  DriverStatus: [["Backing Filesystem", "extfs"]],
  SecurityOptions: ["name=seccomp,profile=default"],
};
const ADDRESS = "unix:///run/docker.sock";
const HERE = { socket: ADDRESS, socketGroup: 998, kernelLog: true };
const parse = (changes: object) => parseDockerInfo({ ...info, ...changes }, ADDRESS, HERE);

test("the root directory and the socket are those of the host's daemon", () => {
  expect(parse({})).toEqual({
    name: "llm-1",
    rootDirectory: "/data/docker",
    address: "unix:///run/docker.sock",
    networks: {},
    dockerSocket: "/run/docker.sock",
    socketGroup: 998,
    kernelLog: true,
    selinux: false,
    unaccounted: [],
  });
});

test("on a host that is reached by ssh, the socket is the one that its own Docker CLI uses", () => {
  const parseThere = (socket: string) => parseDockerInfo(info, "ssh://llm-1", { ...HERE, socket });
  expect(parseThere("unix:///data/d.sock")).toMatchObject({
    address: "ssh://llm-1",
    dockerSocket: "/data/d.sock",
  });
  expect(() => parseThere("tcp://10.0.0.7:2376")).toThrow(
    /its own Docker CLI uses the daemon at "tcp:\/\/10.0.0.7:2376"/,
  );
});

test("a container is known by its own name, its labels, and the TCP ports that it publishes", () => {
  const published = { PrivatePort: 80, PublicPort: 8080, Type: "tcp" };
  const container = {
    Names: ["/web/db", "/db"],
    Image: "postgres:17",
    Labels: { note: "a=b, c=d" },
    State: "running",
    Ports: [
      { IP: "0.0.0.0", ...published },
      { IP: "::", ...published },
      { IP: "0.0.0.0", ...published, Type: "udp" },
      { PrivatePort: 5432, Type: "tcp" },
    ],
  };
  expect(parseContainers([container, { Names: ["/plain"], Image: "a" }])).toEqual([
    {
      name: "db",
      image: "postgres:17",
      labels: { note: "a=b, c=d" },
      running: true,
      ports: [
        { address: "0.0.0.0", port: 8080 },
        { address: "::", port: 8080 },
      ],
    },
    { name: "plain", image: "a", labels: {}, running: false, ports: [] },
  ]);
});

test("what listens on IPv4 is read from the kernel's tables, also where it listens on both versions", () => {
  const lines = [
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode",
    "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0",
    "   1: 0100007F:1F91 0100007F:8000 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0",
    "   0: 00000000000000000000000000000000:0016 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 4713 1 0",
    "   1: 0000000000000000FFFF00000200007F:0017 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 4714 1 0",
    "   2: 00000000000000000000000001000000:0018 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 4715 1 0",
  ];
  expect(parseListeners(lines)).toEqual([
    { address: "127.0.0.1", port: 8080, inode: "4711" },
    { address: "::", port: 22, inode: "4713" },
    { address: "127.0.0.2", port: 23, inode: "4714" },
  ]);
});

test("containerd's socket is used only where images are in the containerd image store", () => {
  const store = { DriverStatus: [["driver-type", "io.containerd.snapshotter.v1"]] };
  expect(parse({ Containerd: { Address: "/run/c.sock" } })).not.toHaveProperty("containerdSocket");
  expect(parse({ ...store, Containerd: { Address: "/run/c.sock" } })).toHaveProperty(
    "containerdSocket",
    "/run/c.sock",
  );
  expect(parse(store)).toHaveProperty("containerdSocket", "/run/containerd/containerd.sock");
});

test.each([
  ["an engine that is too old", { ServerVersion: "19.03.15" }, /engine is 19\.03\.15.*20\.10 or newer/],
  ["a rootless daemon", { SecurityOptions: ["name=rootless"] }, /rootless.*Use a daemon that runs as root/],
  ["remapped users", { SecurityOptions: ["name=userns"] }, /userns-remap.*Remove userns-remap/],
  ["Windows containers", { OSType: "windows" }, /windows.*use a Linux host/],
  // Source: snapd, LP#1908448.
  ["a snap", { DockerRootDir: "/var/snap/docker/common/var-lib-docker" }, /is a snap.*Replace the snap/],
  // Source: containers/podman, pkg/api/handlers/types.go.
  ["Podman", { ServerVersion: "4.9.3", BuildahVersion: "1.33.5" }, /Podman 4\.9\.3.*Use Docker Engine/],
])("%s is refused with the reason and a hint", (_, changes, message) => {
  expect(() => parse(changes)).toThrow(message);
  expect(() => parse(changes)).toThrow("nothing was changed");
});

test("SELinux is a fact where the daemon confines containers by it", () => {
  expect(parse({ SecurityOptions: ["name=seccomp,profile=builtin", "name=selinux"] })).toMatchObject({
    selinux: true,
  });
});

test.each([
  // Source: google/cadvisor issue 3469.
  ["memory", { MemoryLimit: false, SwapLimit: false }, ["memory"]],
  ["swap", { MemoryLimit: true, SwapLimit: false }, ["swap"]],
  ["disk traffic", { CgroupVersion: "1", KernelVersion: "6.18.44-fc" }, ["disk traffic"]],
  ["nothing with cgroup v2", { CgroupVersion: "2", KernelVersion: "7.0.1" }, []],
  ["nothing with an older kernel", { CgroupVersion: "1", KernelVersion: "5.15.0-46-generic" }, []],
])("a kernel that does not account for %s is recognized", (_, changes, expected) => {
  expect(parse(changes).unaccounted).toEqual(expected);
});

const runc = { runc: { path: "runc" } };
const cdi = (ID: string) => ({ Source: "cdi", ID });
test.each<[string, object, object | undefined]>([
  [
    "NVIDIA's runtime",
    { Runtimes: { ...runc, nvidia: { path: "nvidia-container-runtime" } } },
    { runtime: "nvidia" },
  ],
  ["NVIDIA's runtime by its kind alone", { Runtimes: { ...runc, nvidia: {} } }, { runtime: "nvidia" }],
  [
    "NVIDIA's runtime under another name",
    { Runtimes: { gpu: { path: "/usr/bin/nvidia-container-runtime" } } },
    { runtime: "gpu" },
  ],
  [
    "CDI devices",
    { Runtimes: runc, DiscoveredDevices: [cdi("nvidia.com/gpu=0"), cdi("nvidia.com/gpu=all")] },
    { cdiDevice: "nvidia.com/gpu=all" },
  ],
  ["CDI devices of another vendor", { DiscoveredDevices: [cdi("amd.com/gpu=all")] }, undefined],
  ["nothing", { Runtimes: runc, DiscoveredDevices: null }, undefined],
])("a host with %s: how a container gets to its GPUs", (_, changes, expected) => {
  expect(parse(changes).gpus).toEqual(expected);
});
