import {
  allocatedDevices,
  gpuAllocation,
  unmatchedIds,
  type ContainerConfig,
} from "../../../exporter/allocation";
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
const container = (HostConfig: HostConfig, Env: string[] = []) => ({
  Config: { Env },
  HostConfig: { Runtime: "runc", ...HostConfig },
});
const gpus = (Count: number, DeviceIDs: string[] | null = null, capabilities = ["gpu"], Driver = "") => ({
  DeviceRequests: [{ Driver, Count, DeviceIDs, Capabilities: [capabilities] }],
});
const nvidia = (...env: string[]) => container({ Runtime: "nvidia" }, env);
const visible = (devices: string) => nvidia(`NVIDIA_VISIBLE_DEVICES=${devices}`);
const ALL = "NVIDIA_VISIBLE_DEVICES=all";
/** Mounts of /dev/null under NVIDIA's runtime, where the environment names all devices. */
const mounts = (names: string[], Source = "/dev/null") => ({
  ...nvidia(ALL),
  Mounts: names.map((name) => ({ Source, Destination: `/var/run/nvidia-container-devices/${name}` })),
});
const cdi = (...names: string[]) => container(gpus(0, names, [], "cdi"));
const devices = (...paths: string[]) => container({ Devices: paths.map((PathOnHost) => ({ PathOnHost })) });

const MOBY = "moby daemon/nvidia_linux.go";
const MOBY_29 = "moby 29 daemon/devices_nvidia_linux.go";
const TOOLKIT = "NVIDIA Container Toolkit, internal/config/image";
const CDI = "CDI specification, moby daemon/cdi.go";
const NVCDI = "NVIDIA Container Toolkit, pkg/nvcdi";
const DEVICES = "moby daemon/pkg/oci/devices_linux.go";

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
    ["--runtime=nvidia with a mount that names the GPU", TOOLKIT, mounts(["GPU-abc"]), "runtime: GPU-abc"],
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
    ["--device nvidia.com/gpu=gpu0, named by type and index", NVCDI, cdi("nvidia.com/gpu=gpu0"), "cdi: gpu0"],
    ["--device nvidia.com/gpu=mig0:1", NVCDI, cdi("nvidia.com/gpu=mig0:1"), "cdi: mig0:1"],
    [
      "--device nvidia.com/mig=MIG-abc",
      "nvidia-ctk cdi generate --class mig",
      cdi("nvidia.com/mig=MIG-abc"),
      "cdi: MIG-abc",
    ],
    [
      "--device runtime.nvidia.com/gpu=1",
      "NVIDIA Container Toolkit, internal/modifier/cdi.go",
      cdi("runtime.nvidia.com/gpu=1"),
      "cdi: 1",
    ],
    [
      "a CDI device of Kubernetes' device plugin",
      "NVIDIA/k8s-device-plugin, cmd/nvidia-device-plugin",
      cdi("k8s.device-plugin.nvidia.com/gpu=GPU-abc"),
      "cdi: GPU-abc",
    ],
    [
      "a GPU for a virtual machine",
      "NVIDIA GPU Operator, Kata Containers",
      cdi("nvidia.com/pgpu=0"),
      undefined,
    ],
    ["a CDI device for management containers", NVCDI, cdi("management.nvidia.com/gpu=all"), undefined],
    [
      "CDI devices that are no GPUs",
      NVCDI,
      cdi("nvidia.com/gds=all", "nvidia.com/imex-channel=0"),
      undefined,
    ],
    ["--device nvidia.com/gpu=none", NVCDI, cdi("nvidia.com/gpu=none"), undefined],
    ["--device nvidia.com/gpu=0 twice", CDI, cdi("nvidia.com/gpu=0", "nvidia.com/gpu=0"), "cdi: 0"],
    ["CDI devices of two vendors", CDI, cdi("amd.com/gpu=1", "nvidia.com/gpu=0"), "cdi: 0"],
    ["the driver nvidia.cdi", MOBY_29, container(gpus(-1, null, [], "nvidia.cdi")), "device_request: all"],
    [
      "the driver nvidia.runtime-hook",
      MOBY_29,
      container(gpus(1, null, [], "nvidia.runtime-hook")),
      "device_request: 0",
    ],
    [
      "the driver nvidia with an unknown capability",
      MOBY_29,
      container(gpus(1, null, ["tpu"], "nvidia")),
      "device_request: 0",
    ],
    [
      "alternatives of capabilities, of which NVIDIA's driver offers the second",
      "moby daemon/internal/capabilities",
      container({
        DeviceRequests: [
          {
            Count: 1,
            Capabilities: [
              ["gpu", "tpu"],
              ["gpu", "utility", "compute"],
            ],
          },
        ],
      }),
      "device_request: 0",
    ],
    ["--gpus device=none", TOOLKIT, container(gpus(0, ["none"])), undefined],
    [
      "--gpus device=0000:01:00.0",
      "libnvidia-container issue 76",
      container(gpus(0, ["0000:01:00.0"])),
      "device_request: 0000:01:00.0",
    ],
    ["--runtime=nvidia with ALL", "libnvidia-container src/cli/common.c", visible("ALL"), "runtime: ALL"],
    [
      "--runtime=nvidia with spaces, empty parts and duplicates",
      TOOLKIT,
      visible(" 0, ,1,,0 "),
      "runtime: 0 1",
    ],
    ["--runtime=nvidia with void among others", TOOLKIT, visible("0,void"), undefined],
    ["--runtime=nvidia with none before all", TOOLKIT, visible("0,none,all"), undefined],
    ["--runtime=nvidia with all before none", TOOLKIT, visible("0,all,none"), "runtime: all"],
    [
      "--runtime=nvidia with all MIG devices to monitor",
      TOOLKIT,
      nvidia(ALL, "NVIDIA_MIG_MONITOR_DEVICES=all"),
      "runtime: all",
    ],
    [
      "--runtime=nvidia with a CDI name of the runtime itself",
      NVCDI,
      visible("runtime.nvidia.com/gpu=all"),
      "runtime: all",
    ],
    ["--runtime=nvidia with a CDI device that is no GPU", NVCDI, visible("nvidia.com/gds=all"), undefined],
    [
      "--runtime=nvidia with a CDI name in an annotation",
      TOOLKIT,
      container(
        {
          Runtime: "nvidia",
          Annotations: { "cdi.k8s.io/llm": "nvidia.com/gpu=0,nvidia.com/gpu=2", other: "nvidia.com/gpu=1" },
        },
        [ALL],
      ),
      "runtime: 0 2",
    ],
    [
      "an annotation under runc",
      TOOLKIT,
      container({ Annotations: { "cdi.k8s.io/llm": "nvidia.com/gpu=0" } }),
      undefined,
    ],
    [
      "mounts that name CDI devices",
      TOOLKIT,
      mounts(["cdi/nvidia.com/gpu/0", "cdi/nvidia.com/gpu=1:0"]),
      "runtime: 0 1:0",
    ],
    ["a mount that names an IMEX channel", TOOLKIT, mounts(["imex/0"]), "runtime: all"],
    ["a mount of another file at the same place", TOOLKIT, mounts(["0"], "/etc/hosts"), "runtime: all"],
    ["a mount with the name void", TOOLKIT, mounts(["void"]), "runtime: all"],
    [
      "a task of Docker Swarm with a GPU",
      "nvidia-container-toolkit issue 1599; swarmkit api/genericresource",
      nvidia(ALL, "DOCKER_RESOURCE_NVIDIA-GPU=GPU-f2ba9cd4,GPU-f12d79c4"),
      "runtime: GPU-f2ba9cd4 GPU-f12d79c4",
    ],
    [
      "a task of Docker Swarm with a number of GPUs",
      "swarmkit api/genericresource",
      nvidia(ALL, "DOCKER_RESOURCE_GPU=2"),
      "runtime: all",
    ],
    [
      "a task of Docker Swarm with another resource",
      "swarmkit api/genericresource",
      nvidia(ALL, "DOCKER_RESOURCE_SSD=nvme0"),
      "runtime: all",
    ],
    ["--device /dev/nvidia0:/dev/nvidia7", DEVICES, devices("/dev/nvidia0"), "device: /dev/nvidia0"],
    ["--device /dev, the folder", DEVICES, devices("/dev/"), "device: all"],
    [
      "--device /dev/dxg, the GPUs of WSL",
      "NVIDIA Container Toolkit, pkg/nvcdi/device-wsl.go",
      devices("/dev/dxg"),
      "device: all",
    ],
    [
      "--device for capabilities and rendering alone",
      DEVICES,
      devices("/dev/nvidia-caps/nvidia-cap1", "/dev/nvidia-uvm", "/dev/dri/renderD128"),
      undefined,
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

const NODES: Device[] = [
  gpu(0, "7AF7A99B-1111-2222-3333-444444444444", "00000000:01:00.0"),
  gpu(1, "932bfb2c-849a-2a22-1e84-9eff6bc02b39", "0000000A:03:00.0"),
  mig(0, "0929581a-2be6-5dec-bf34-0954c6c529a6"),
  mig(1, "3adbed3a-d03d-549f-a016-ba1fd7359f23"),
  gpu(2, "e934c858-1111-2222-3333-444444444444", "03F8CFDD:00:00.0"),
];

/** The minor number differs from the index, so that no two can be confused. MIG is enabled on GPU 1. */
function gpu(index: number, uuid: string, pciAddress: string): Device {
  const migEnabled = index === 1;
  return { gpu: String(index), uuid: `GPU-${uuid}`, minor: index + 4, pciAddress, migEnabled } as Device;
}
function mig(index: number, uuid: string): Device {
  const parent = "GPU-932bfb2c-849a-2a22-1e84-9eff6bc02b39";
  const instance = { parent, index, gpuInstance: String(index + 1), computeInstance: "0" };
  return { gpu: `1:${index}`, uuid: `MIG-${uuid}`, migEnabled: false, mig: instance } as Device;
}

const COMMON = "libnvidia-container src/cli/common.c";
const NAMER = "NVIDIA Container Toolkit, pkg/nvcdi/namer.go";

describe("The devices of an allocation", () => {
  it.each<[string, string, string[], string[]]>([
    ["all: each GPU, or its MIG devices where MIG is enabled", NVCDI, ["all"], ["0", "1:0", "1:1", "2"]],
    ["ALL", COMMON, ["ALL"], ["0", "1:0", "1:1", "2"]],
    ["an index", COMMON, ["0"], ["0"]],
    ["an index with zeros before it", COMMON, ["002"], ["2"]],
    ["a type and an index", NAMER, ["gpu2"], ["2"]],
    ["a UUID in lower case", COMMON, ["gpu-7af7a99b-1111-2222-3333-444444444444"], ["0"]],
    ["a UUID in upper case", COMMON, ["GPU-E934C858-1111-2222-3333-444444444444"], ["2"]],
    ["the beginning of a UUID", "nvidia-container-toolkit issue 57", ["GPU-7af7a99b"], ["0"]],
    ["a PCI address", COMMON, ["0000:01:00.0"], ["0"]],
    ["a PCI address as nvidia-smi writes it", "nvidia-smi -q", ["00000000:01:00.0"], ["0"]],
    ["a PCI address in lower case, with a short domain", COMMON, ["a:3:0.0"], ["1:0", "1:1"]],
    ["a PCI address with a domain of 32 bits", "nvidia-docker issue 1316", ["03f8cfdd:00:00.0"], ["2"]],
    ["the index of a GPU on which MIG is enabled", COMMON, ["1"], ["1:0", "1:1"]],
    ["the index of a MIG device", COMMON, ["1:1"], ["1:1"]],
    ["the type and the index of a MIG device", NAMER, ["mig1:0"], ["1:0"]],
    ["the UUID of a MIG device", COMMON, ["MIG-0929581A-2be6-5dec-bf34-0954c6c529a6"], ["1:0"]],
    [
      "the name of a MIG device in R450",
      "nvidia-container-toolkit issue 203",
      ["MIG-GPU-932bfb2c-849a-2a22-1e84-9eff6bc02b39/2/0"],
      ["1:1"],
    ],
    ["a device file", DEVICES, ["/dev/nvidia4"], ["0"]],
    ["several names of one GPU", NAMER, ["0", "gpu0", "GPU-7af7a99b", "0000:01:00.0", "/dev/nvidia4"], ["0"]],
  ])("follow from its ids: %s (%s)", (_, __, ids, expected) => {
    expect(allocatedDevices(ids, NODES).map((one) => one.gpu)).toEqual(expected);
    expect(unmatchedIds(ids, NODES)).toEqual([]);
  });

  it.each<[string, string, string]>([
    ["an index that the host does not have", COMMON, "7"],
    ["a MIG device that was destroyed", COMMON, "1:2"],
    ["a UUID that the host does not have", COMMON, "GPU-00000000-1111-2222-3333-444444444444"],
    ["the beginning of a MIG device's UUID", COMMON, "MIG-3adbed3a"],
    ["a UUID of more than 36 digits", COMMON, "GPU-7af7a99b-1111-2222-3333-4444444444445"],
    ["a PCI address without its domain", COMMON, "01:00.0"],
    ["a PCI address with another function", COMMON, "0000:01:00.1"],
    ["the device file of another minor number", DEVICES, "/dev/nvidia0"],
    ["no form of an id", "nvidia-container-toolkit issue 29", "false"],
    ["2001 characters", "field case A3", "a".repeat(2001)],
  ])("do not include %s (%s), and leave the others", (_, __, id) => {
    expect(allocatedDevices([id, "0"], NODES).map((one) => one.gpu)).toEqual(["0"]);
    expect(unmatchedIds([id, "0"], NODES)).toEqual([id]);
  });
});
