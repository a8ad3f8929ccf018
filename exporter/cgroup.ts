/** A container in the path of a cgroup. */
export interface CgroupContainer {
  /** Its 64-digit id. */
  id: string;
  /** The path of its cgroup: cAdvisor's label `id`. */
  path: string;
}

/** Cgroups of other container managers. Their ids are not those of Docker containers. */
const OTHER_MANAGERS = /^(kubepods|libpod|cri-containerd|crio-)/;

/**
 * Returns the containers that a process is in, the outermost first, since containers can run in containers.
 *
 * @param cgroup the text of `/proc/<pid>/cgroup`, with cgroups of version 1, 2 or both, by dockerd or systemd, below any parent
 */
export function containersOf(cgroup: string): CgroupContainer[] {
  const paths = cgroup
    .split("\n")
    .flatMap((line) => /^\d+:[^:]*:(\/.*?)(?: \(deleted\))?$/.exec(line)?.[1] ?? []);
  return paths.map(containersInPath).find((containers) => containers.length > 0) ?? [];
}

function containersInPath(path: string): CgroupContainer[] {
  const segments = path.split("/");
  if (segments.some((segment) => OTHER_MANAGERS.test(segment))) return [];
  return segments.flatMap((segment, i) => {
    const match = /^([0-9a-f]{64})$|^docker-([0-9a-f]{64})\.scope$/.exec(segment);
    return match ? { id: match[1] ?? match[2] ?? "", path: segments.slice(0, i + 1).join("/") } : [];
  });
}
