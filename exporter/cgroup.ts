/** A container, as the path of a cgroup names it. */
export interface CgroupContainer {
  /** Its 64-digit id. */
  id: string;
  /** The path of its cgroup, which is cAdvisor's label `id`. */
  path: string;
}

/** Cgroups of other managers, whose ids are not those of Docker containers. */
const FOREIGN = /^(kubepods|libpod|cri-containerd|crio-)/;

/**
 * The containers that a process is in, from the text of `/proc/<pid>/cgroup`: the outermost first, as a container can run
 * containers itself. Knows cgroups of version 1, 2 and both, made by dockerd or by systemd, below any parent.
 */
export function containersOf(cgroup: string): CgroupContainer[] {
  const paths = cgroup
    .split("\n")
    .flatMap((line) => /^\d+:[^:]*:(\/.*?)(?: \(deleted\))?$/.exec(line)?.[1] ?? []);
  return paths.map(containersIn).find((found) => found.length > 0) ?? [];
}

function containersIn(path: string): CgroupContainer[] {
  const segments = path.split("/");
  if (segments.some((segment) => FOREIGN.test(segment))) return [];
  return segments.flatMap((segment, i) => {
    const id = /^([0-9a-f]{64})$|^docker-([0-9a-f]{64})\.scope$/.exec(segment);
    return id ? { id: id[1] ?? id[2] ?? "", path: segments.slice(0, i + 1).join("/") } : [];
  });
}
