/** A container in the path of a cgroup. */
export interface CgroupContainer {
  /** Its 64-digit id. */
  id: string;
  /** The path of its cgroup: cAdvisor's label `id`. */
  path: string;
}

/** An id between other characters: every container manager writes it in its own way, such as `docker-<id>.scope` or `libpod-<id>`. */
const CONTAINER_ID = /(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])/;

/**
 * Returns the containers that a process is in, the outermost first, since containers can run in containers. They can be of any
 * container manager: kind's cgroups are `/docker/<id>/kubelet/kubepods/...`, and those of Kubernetes with Docker
 * `/kubepods.slice/.../docker-<id>.scope`. Only a list of the ids that Docker knows can show which containers are Docker's.
 *
 * @param cgroup the text of `/proc/<pid>/cgroup`, with cgroups of version 1, 2 or both, by any manager, below any parent
 */
export function containersOf(cgroup: string): CgroupContainer[] {
  const paths = cgroup
    .split("\n")
    .flatMap((line) => /^\d+:[^:]*:(\/.*?)(?: \(deleted\))?$/.exec(line)?.[1] ?? []);
  const containers = new Map<string, CgroupContainer>();
  for (const container of paths.flatMap(containersInPath))
    if (!containers.has(container.id)) containers.set(container.id, container);
  return [...containers.values()];
}

function containersInPath(path: string): CgroupContainer[] {
  const segments = path.split("/");
  return segments.flatMap((segment, i) => {
    const [id] = CONTAINER_ID.exec(segment) ?? [];
    return id === undefined ? [] : { id, path: segments.slice(0, i + 1).join("/") };
  });
}
