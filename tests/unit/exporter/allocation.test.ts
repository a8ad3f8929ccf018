import { allocatedDevices, gpuAllocation, type ContainerConfig } from "../../../exporter/allocation";
import type { Device } from "../../../exporter/driver";

type HostConfig = ContainerConfig["HostConfig"];
const runtimes = {
  default: "runc",
  paths: {
    runc: "runc",
    nvidia: "nvidia-container-runtime",
    gpu: "/usr/bin/nvidia-container-runtime",
    "nvidia-cdi": "/usr/bin/nvidia-container-runtime.cdi",
  },
};
const container = (HostConfig: HostConfig, Env: string[] = [], Mounts: { Destination: string }[] = []) => ({
  Config: { Env },
  HostConfig: { Runtime: "runc", ...HostConfig },
  Mounts,
});
const gpus = (Count: number, DeviceIDs: string[] | null = null, capabilities = ["gpu"], Driver = "") => ({
  DeviceRequests: [{ Driver, Count, DeviceIDs, Capabilities: [capabilities] }],
});
const nvidia = (...env: string[]) => container({ Runtime: "nvidia" }, env);
const ALL = "NVIDIA_VISIBLE_DEVICES=all";

const MOBY = "moby daemon/nvidia_linux.go";
const TOOLKIT = "NVIDIA Container Toolkit, internal/config/image";
const CDI = "CDI specification, moby daemon/cdi.go";

describe("The GPUs that a container may use", () => {
  it.each<[string, string, ContainerConfig, string | undefined]>([
    ["--gpus all", MOBY, container(gpus(-1)), "device_request: all"],
    ["--gpus 2: the first two", MOBY, container(gpus(2)), "device_request: 0 1"],
    ["--gpus device=1", MOBY, container(gpus(0, ["1"])), "device_request: 1"],
    ['--gpus "device=0,GPU-abc"', MOBY, container(gpus(0, ["0", "GPU-abc"])), "device_request: 0 GPU-abc"],
    ["--gpus device=0:1, a MIG device", MOBY, container(gpus(0, ["0:1"])), "device_request: 0:1"],
    ["--gpus device=MIG-<uuid>", MOBY, container(gpus(0, ["MIG-1"])), "device_request: MIG-1"],
    [
      "Compose: driver nvidia, count all",
      "Compose specification, deploy.resources",
      container(gpus(-1, null, ["gpu"], "nvidia")),
      "device_request: all",
    ],
    [
      "Compose: device_ids",
      "Compose specification, deploy.resources",
      container(gpus(0, ["3"], ["gpu"], "nvidia")),
      "device_request: 3",
    ],
    [
      "Compose: two reservations",
      MOBY,
      container({ DeviceRequests: [...gpus(0, ["0"]).DeviceRequests, ...gpus(0, ["2"]).DeviceRequests] }),
      "device_request: 0 2",
    ],
    [
      "capabilities compute and utility",
      MOBY,
      container(gpus(-1, null, ["gpu", "compute", "utility"])),
      "device_request: all",
    ],
    ["capability compute alone", MOBY, container(gpus(1, null, ["compute"])), "device_request: 0"],
    [
      "--gpus with the capability utility alone, as monitors have",
      MOBY,
      container(gpus(-1, null, ["gpu", "utility"])),
      undefined,
    ],
    ["a device request without a GPU capability", MOBY, container(gpus(1, null, ["tpu"])), undefined],
    [
      "a GPU of another vendor",
      "moby daemon/amd_linux.go",
      container(gpus(-1, null, ["gpu"], "amd")),
      undefined,
    ],
    ["a device request with count 0", MOBY, container(gpus(0)), undefined],
    [
      "a device request and NVIDIA_VISIBLE_DEVICES",
      MOBY,
      container({ Runtime: "nvidia", ...gpus(0, ["1"]) }, [ALL]),
      "device_request: 1",
    ],
    ["--device nvidia.com/gpu=0", CDI, container(gpus(0, ["nvidia.com/gpu=0"], [], "cdi")), "cdi: 0"],
    ["--device nvidia.com/gpu=all", CDI, container(gpus(0, ["nvidia.com/gpu=all"], [], "cdi")), "cdi: all"],
    [
      "--device nvidia.com/gpu=GPU-abc --device nvidia.com/gpu=1:0",
      CDI,
      container(gpus(0, ["nvidia.com/gpu=GPU-abc", "nvidia.com/gpu=1:0"], [], "cdi")),
      "cdi: GPU-abc 1:0",
    ],
    [
      "--gpus device=nvidia.com/gpu=2",
      "docker/cli opts/gpus.go",
      container(gpus(0, ["nvidia.com/gpu=2"])),
      "cdi: 2",
    ],
    ["a CDI device of another vendor", CDI, container(gpus(0, ["amd.com/gpu=0"], [], "cdi")), undefined],
    ["--runtime=nvidia with indexes", TOOLKIT, nvidia("NVIDIA_VISIBLE_DEVICES=0,1"), "runtime: 0 1"],
    ["--runtime=nvidia with a UUID", TOOLKIT, nvidia("NVIDIA_VISIBLE_DEVICES=GPU-abc"), "runtime: GPU-abc"],
    ["--runtime=nvidia with all", TOOLKIT, nvidia(ALL), "runtime: all"],
    ["--runtime=nvidia with none", TOOLKIT, nvidia("NVIDIA_VISIBLE_DEVICES=none"), undefined],
    ["--runtime=nvidia with void", TOOLKIT, nvidia("NVIDIA_VISIBLE_DEVICES=void"), undefined],
    ["--runtime=nvidia with an empty variable", TOOLKIT, nvidia("NVIDIA_VISIBLE_DEVICES="), undefined],
    ["--runtime=nvidia without the variable", TOOLKIT, nvidia(), undefined],
    [
      "--runtime=nvidia with a CDI name",
      TOOLKIT,
      nvidia("NVIDIA_VISIBLE_DEVICES=nvidia.com/gpu=1"),
      "runtime: 1",
    ],
    ["--runtime=nvidia with an image of CUDA 8", TOOLKIT, nvidia("CUDA_VERSION=8.0.61"), "runtime: all"],
    [
      "--runtime=nvidia with an image of CUDA 12 without the variable",
      TOOLKIT,
      nvidia("CUDA_VERSION=12.4.1", "NVIDIA_REQUIRE_CUDA=cuda>=12.4"),
      undefined,
    ],
    [
      "--runtime=nvidia with the capabilities of a monitor such as dcgm-exporter",
      TOOLKIT,
      nvidia(ALL, "NVIDIA_DRIVER_CAPABILITIES=utility,compat32"),
      undefined,
    ],
    [
      "--runtime=nvidia with all capabilities",
      TOOLKIT,
      nvidia(ALL, "NVIDIA_DRIVER_CAPABILITIES=all"),
      "runtime: all",
    ],
    [
      "--runtime=nvidia with a volume that names the GPU",
      TOOLKIT,
      container({ Runtime: "nvidia" }, [ALL], [{ Destination: "/var/run/nvidia-container-devices/GPU-abc" }]),
      "runtime: GPU-abc",
    ],
    [
      "NVIDIA's runtime under another name",
      "docker info, Runtimes",
      container({ Runtime: "gpu" }, [ALL]),
      "runtime: all",
    ],
    [
      "the runtime nvidia-cdi",
      TOOLKIT,
      container({ Runtime: "nvidia-cdi" }, ["NVIDIA_VISIBLE_DEVICES=0"]),
      "runtime: 0",
    ],
    [
      "a CUDA image under runc",
      "nvidia/cuda, Dockerfile: ENV NVIDIA_VISIBLE_DEVICES=all",
      container({}, [ALL]),
      undefined,
    ],
    [
      "--device /dev/nvidia1",
      "docker/docs, docker run",
      container({ Devices: [{ PathOnHost: "/dev/nvidiactl" }, { PathOnHost: "/dev/nvidia1" }] }),
      "device: /dev/nvidia1",
    ],
    [
      "--device /dev/kmsg",
      "docker/docs, docker run",
      container({ Devices: [{ PathOnHost: "/dev/kmsg" }] }),
      undefined,
    ],
    [
      "--gpus all, with the label llm-metrics.gpu=none",
      "docs/metrics.md",
      { ...container(gpus(-1)), Config: { Labels: { "llm-metrics.gpu": "none" } } },
      undefined,
    ],
    [
      "a container without any of these",
      "docker/docs, docker run",
      container({ DeviceRequests: null, Devices: null }),
      undefined,
    ],
  ])("follow from its configuration: %s (%s)", (_, __, config, expected) => {
    const found = gpuAllocation(config, runtimes);
    expect(found && `${found.source}: ${found.ids.join(" ")}`).toBe(expected);
  });

  it("are all GPUs for a CUDA image where NVIDIA's runtime is the default", () => {
    const config = { Config: { Env: [ALL] }, HostConfig: {} };
    expect(gpuAllocation(config, { ...runtimes, default: "nvidia" })?.ids).toEqual(["all"]);
  });
});

const device = (gpu: string, changes: Partial<Device> = {}) =>
  ({ gpu, uuid: `GPU-${gpu}`, minor: Number(gpu) + 4, migEnabled: false, ...changes }) as Device;
const mig = (gpu: string, index: number) =>
  device(`${gpu}:${index}`, {
    uuid: `MIG-${gpu}-${index}`,
    mig: { parent: `GPU-${gpu}`, index, gpuInstance: String(index + 1), computeInstance: "0" },
  });
const devices = [device("0"), device("1", { migEnabled: true }), mig("1", 0), mig("1", 1)];

describe("The devices of an allocation", () => {
  it.each([
    ["all: each GPU, or its MIG devices where MIG is enabled", ["all"], ["0", "1:0", "1:1"]],
    ["an index", ["0"], ["0"]],
    ["a UUID", ["GPU-0"], ["0"]],
    ["the index of a GPU on which MIG is enabled", ["1"], ["1:0", "1:1"]],
    ["the index of a MIG device", ["1:1"], ["1:1"]],
    ["the UUID of a MIG device", ["MIG-1-0"], ["1:0"]],
    ["the name of a MIG device in R450", ["MIG-GPU-1/2/0"], ["1:1"]],
    ["a device file", ["/dev/nvidia4"], ["0"]],
    ["two names of one GPU", ["0", "GPU-0"], ["0"]],
    ["a GPU that the host does not have", ["7", "GPU-7"], []],
  ])("follow from its ids: %s", (_, ids, expected) => {
    expect(allocatedDevices(ids, devices).map(({ gpu }) => gpu)).toEqual(expected);
  });
});
