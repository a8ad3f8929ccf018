import { containersOf } from "../../../exporter/cgroup";

const A = "a".repeat(64);
const B = "b".repeat(64);

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
    ["Kubernetes", `0::/kubepods/besteffort/pod1/${A}`, []],
    ["Kubernetes, systemd", `0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-${A}.scope`, []],
    ["Podman", `0::/machine.slice/libpod-${A}.scope`, []],
    ["CRI-O", `0::/system.slice/crio-${A}.scope`, []],
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
