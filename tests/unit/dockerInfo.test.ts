import { parseDockerInfo } from "../../components/dockerInfo";

const info = {
  Name: "llm-1",
  ServerVersion: "20.10.24+dfsg1",
  OSType: "linux",
  DockerRootDir: "/data/docker",
  DriverStatus: [["Backing Filesystem", "extfs"]],
  SecurityOptions: ["name=seccomp,profile=default"],
};
const parse = (changes: object) =>
  parseDockerInfo(JSON.stringify({ ...info, ...changes }), "unix:///run/docker.sock", 998);

test("the root directory and the socket are those of the host's daemon", () => {
  expect(parse({})).toEqual({
    name: "llm-1",
    rootDirectory: "/data/docker",
    dockerSocket: "/run/docker.sock",
    socketGroup: 998,
  });
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
  [
    "a daemon that does not answer",
    { ServerErrors: ["Cannot connect to the Docker daemon"] },
    /Cannot connect.*Start Docker/,
  ],
])("%s is refused with the reason and the remedy", (_, changes, message) => {
  expect(() => parse(changes)).toThrow(message);
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
