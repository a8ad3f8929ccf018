import path from "node:path";

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
  // With version 1, each controller has a line, and most have the same path.
  for (const container of [...new Set(paths)].flatMap(containersInPath))
    if (!containers.has(container.id)) containers.set(container.id, container);
  return [...containers.values()];
}

/** The ids of the containers that a process is in, the outermost first. */
export const idsOf = (cgroup: string): string[] => containersOf(cgroup).map(({ id }) => id);

function containersInPath(cgroup: string): CgroupContainer[] {
  const segments = cgroup.split("/");
  return segments.flatMap((segment, i) => {
    const [id] = CONTAINER_ID.exec(segment) ?? [];
    return id === undefined ? [] : { id, path: segments.slice(0, i + 1).join("/") };
  });
}

/** What decides about the path of the cgroup of a container of Docker. */
export interface CgroupPlace {
  id: string;
  /** The container's `--cgroup-parent`; empty for the daemon's. */
  parent: string;
  /** Docker's cgroup driver: systemd or cgroupfs. */
  driver: string;
  /** Another container of the same daemon, with the daemon's parent. */
  own: CgroupContainer | undefined;
}

/** Returns the path of the cgroup of a container of Docker. Source: moby, daemon/oci_linux.go, WithCgroups. */
export function cgroupPath({ id, parent, driver, own }: CgroupPlace): string {
  if (parent === "" && own) return own.path.replace(own.id, id);
  if (driver === "systemd") return `${slicePath(parent || "system.slice")}/docker-${id}.scope`;
  return path.posix.join("/", parent || "docker", id);
}

/** The slice `a-b.slice` is in `a.slice`, and `-.slice` is the root. Source: opencontainers/cgroups, systemd, ExpandSlice. */
function slicePath(slice: string): string {
  if (slice === "-.slice") return "";
  const parts = slice.replace(/\.slice$/, "").split("-");
  return parts.map((_, i) => `/${parts.slice(0, i + 1).join("-")}.slice`).join("");
}
