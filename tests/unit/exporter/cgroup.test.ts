import { cgroupPath, containersOf } from "../../../exporter/cgroup";
import { Containers, ownerOf, type ListedContainers } from "../../../exporter/containers";
import { EmulatedDocker } from "../../support/emulatedExporter";

const A = "a".repeat(64);
const B = "b".repeat(64);
const PARENT = "c".repeat(64);

describe("The cgroup of a process", () => {
  it.each<[string, string, string[]]>([
    [
      "version 1, dockerd",
      `12:pids:/docker/${A}\n5:cpu,cpuacct:/docker/${A}\n1:name=systemd:/docker/${A}`,
      [`/docker/${A}`],
    ],
    ["version 1, systemd", `9:memory:/system.slice/docker-${A}.scope`, [`/system.slice/docker-${A}.scope`]],
    [
      "version 1, with one controller outside of the container",
      `11:freezer:/\n4:memory:/docker/${A}`,
      [`/docker/${A}`],
    ],
    ["version 2, dockerd", `0::/docker/${A}`, [`/docker/${A}`]],
    ["version 2, systemd", `0::/system.slice/docker-${A}.scope`, [`/system.slice/docker-${A}.scope`]],
    [
      "both versions",
      `4:memory:/docker/${A}\n1:name=systemd:/docker/${A}\n0::/system.slice/containerd.service`,
      [`/docker/${A}`],
    ],
    ["version 2, from inside a cgroup namespace", `0::/../docker-${A}.scope`, [`/../docker-${A}.scope`]],
    [
      "version 2, a cgroup below the container's",
      `0::/system.slice/docker-${A}.scope/init`,
      [`/system.slice/docker-${A}.scope`],
    ],
    ["a parent by --cgroup-parent", `0::/llm/${A}`, [`/llm/${A}`]],
    [
      "a slice by --cgroup-parent",
      `0::/llm.slice/llm-chat.slice/docker-${A}.scope`,
      [`/llm.slice/llm-chat.slice/docker-${A}.scope`],
    ],
    ["Amazon ECS", `8:memory:/ecs/9d1f7c2e/${A}`, [`/ecs/9d1f7c2e/${A}`]],
    [
      "a user's daemon",
      `0::/user.slice/user-1000.slice/user@1000.service/user.slice/docker-${A}.scope`,
      [`/user.slice/user-1000.slice/user@1000.service/user.slice/docker-${A}.scope`],
    ],
    [
      "a container in a container",
      `3:cpu:/docker/${A}/docker/${B}`,
      [`/docker/${A}`, `/docker/${A}/docker/${B}`],
    ],
    [
      "a container in a container, systemd",
      `0::/system.slice/docker-${A}.scope/system.slice/docker-${B}.scope`,
      [`/system.slice/docker-${A}.scope`, `/system.slice/docker-${A}.scope/system.slice/docker-${B}.scope`],
    ],
    ["a cgroup that was removed", `0::/docker/${A} (deleted)`, [`/docker/${A}`]],
    ["CRLF and a colon in a path", `0::/odd:name/docker/${A}`, [`/odd:name/docker/${A}`]],
    [
      "version 1, with the same container below two parents",
      `4:memory:/system.slice/docker.service/pod1.slice/${A}\n3:freezer:/pod1.slice/${A}`,
      [`/system.slice/docker.service/pod1.slice/${A}`],
    ],
    [
      "kind",
      `0::/docker/${A}/kubelet/kubepods/besteffort/pod1/${B}`,
      [`/docker/${A}`, `/docker/${A}/kubelet/kubepods/besteffort/pod1/${B}`],
    ],
    [
      "Podman in a container",
      `0::/docker/${A}/libpod_parent/libpod-${B}`,
      [`/docker/${A}`, `/docker/${A}/libpod_parent/libpod-${B}`],
    ],
    [
      "Kubernetes with Docker",
      `0::/kubepods.slice/kubepods-pod1.slice/docker-${A}.scope`,
      [`/kubepods.slice/kubepods-pod1.slice/docker-${A}.scope`],
    ],
    ["Kubernetes", `0::/kubepods/besteffort/pod1/${A}`, [`/kubepods/besteffort/pod1/${A}`]],
    [
      "Kubernetes, containerd with systemd's notation",
      `0::/system.slice/containerd.service/kubepods-pod1.slice:cri-containerd:${A}`,
      [`/system.slice/containerd.service/kubepods-pod1.slice:cri-containerd:${A}`],
    ],
    ["Podman", `0::/machine.slice/libpod-${A}.scope/container`, [`/machine.slice/libpod-${A}.scope`]],
    ["CRI-O", `0::/system.slice/crio-${A}.scope`, [`/system.slice/crio-${A}.scope`]],
    ["65 digits", `0::/docker/${A}a`, []],
    ["a service of the host", "0::/system.slice/ssh.service", []],
    ["a session of the host", "0::/user.slice/user-0.slice/session-1.scope", []],
    ["the root", "0::/", []],
    ["an id that is too short", `0::/docker/${A.slice(1)}`, []],
    ["a build of BuildKit", "0::/docker/buildkit/1a2b3c4d5e6f7g8h9i0j1k2l3", []],
    ["an empty file", "", []],
    ["an unknown format", "garbage\n\n::\0", []],
  ])("names its containers: %s", (_, text, paths) => {
    expect(containersOf(text).map(({ path }) => path)).toEqual(paths);
    for (const { id } of containersOf(text)) expect(id).toMatch(/^(a{64}|b{64})$/);
  });
});

describe("The container of a process", () => {
  const docker = new EmulatedDocker();
  let containers: Containers;
  let listed: ListedContainers;
  beforeAll(async () => {
    containers = new Containers(await docker.start(), docker.proc);
    docker.run([
      { name: "a", id: A, image: "a:1", pids: [11] },
      { name: "parent", id: PARENT, image: "a:1", pids: [21] },
    ]);
    listed = await containers.list(10);
  });
  afterAll(() => docker.stop());

  it.each([
    ["kind", "field case C3", `0::/docker/${A}/kubelet/kubepods/besteffort/pod1/${B}`, "a"],
    ["Podman in a container", "podman issue 22847", `0::/docker/${A}/libpod_parent/libpod-${B}`, "a"],
    [
      "Docker in a container",
      "kubernetes issue 18202",
      `9:memory:/docker/${A}/docker/${B}\n1:name=systemd:/`,
      "a",
    ],
    [
      "Kubernetes with Docker",
      "field case C3",
      `0::/kubepods.slice/kubepods-pod1.slice/docker-${A}.scope`,
      "a",
    ],
    [
      "kubelet with another cgroup driver",
      "kubernetes issue 36807",
      `11:memory:/system.slice/docker.service/pod1.slice/${A}`,
      "a",
    ],
    ["Amazon ECS", "cadvisor issue 1900", `9:memory:/ecs/407f6abe-0744-4a5e-b6e1-397b1032febc/${A}`, "a"],
    ["a container below another by --cgroup-parent", "cadvisor issue 3682", `0::/docker/${PARENT}/${A}`, "a"],
    ["a cgroup namespace", "man 7 cgroup_namespaces", `0::/../docker-${A}.scope (deleted)`, "a"],
    [
      "Kubernetes with containerd",
      "microsoft/pai issue 2335",
      `12:cpuset:/kubepods/pod69c72bad/${B}\n11:rdma:/`,
      "host",
    ],
    [
      "systemd's notation of containerd",
      "libnvidia-container issue 119",
      `0::/system.slice/containerd.service/kubepods-pod1.slice:cri-containerd:${B}`,
      "host",
    ],
    [
      "Podman on the host",
      "podman, cgroup manager systemd",
      `0::/machine.slice/libpod-${B}.scope/container`,
      "host",
    ],
  ])("is the innermost that Docker knows, or the host: %s (%s)", (_, __, cgroup, expected) => {
    docker.process(31, cgroup);
    const owner = ownerOf(containers.idsAround(31) ?? [], listed);
    expect(typeof owner === "object" ? owner.labels.name : owner).toBe(expected);
  });
});

describe("The cgroup of a container that does not run", () => {
  const CUSTOM = `/machine/${B}`;
  it.each([
    ["dockerd's default", { driver: "cgroupfs" }, `/docker/${A}`],
    ["systemd's default", { driver: "systemd" }, `/system.slice/docker-${A}.scope`],
    ["a parent", { driver: "cgroupfs", parent: "/llm/chat" }, `/llm/chat/${A}`],
    [
      "a slice",
      { driver: "systemd", parent: "llm-chat.slice" },
      `/llm.slice/llm-chat.slice/docker-${A}.scope`,
    ],
    ["the root slice", { driver: "systemd", parent: "-.slice" }, `/docker-${A}.scope`],
    ["the daemon's own parent", { driver: "cgroupfs", own: { id: B, path: CUSTOM } }, `/machine/${A}`],
    [
      "a parent, and the daemon's own",
      { driver: "cgroupfs", parent: "/llm", own: { id: B, path: CUSTOM } },
      `/llm/${A}`,
    ],
  ])("is where Docker will create it: %s", (_, place, path) => {
    expect(cgroupPath({ id: A, parent: "", own: undefined, ...place })).toBe(path);
  });
});
