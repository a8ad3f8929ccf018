import { IncompleteError, type ResourceType } from "../resourceType";
import { actualInputs, outputsOf } from "./containerActual";
import { inputs, type ContainerInputs } from "./containerInputs";
import { createOptions, memoryLimits } from "./containerOptions";
import { doing, engine, reason, unless } from "./engine";
import { findImage } from "./remoteImage";

/** `docker.Container`. */
export const container: ResourceType = {
  inputs,
  added: {
    containerReadRefreshTimeoutMilliseconds: 15000,
    mustRun: true,
    networkMode: "bridge",
    removeVolumes: true,
    restart: "no",
    start: true,
    waitTimeout: 60,
  },
  autonamed: true,
  deleteBeforeReplace: true,

  async create(values) {
    const container = values as unknown as ContainerInputs;
    await doing(`Unable to create container with image ${container.image}`, findImage(container.image));
    const created = await doing(
      "Unable to create container",
      (await engine()).createContainer(createOptions(container)),
    );
    try {
      await connect(created.id, container);
      await doing("Unable to start container", created.start());
    } catch (error) {
      throw new IncompleteError(reason(error), created.id, { cause: error });
    }
    return { id: created.id };
  },

  async read(id, state) {
    const info = await unless((await engine()).getContainer(id).inspect());
    return info && { inputs: actualInputs(info, state), outputs: outputsOf(info, state) };
  },

  async update(id, olds, values) {
    const before = olds as unknown as ContainerInputs;
    const container = values as unknown as ContainerInputs;
    const target = (await engine()).getContainer(id);
    // A refresh that found it stopped has put `mustRun: false` into the state.
    if (before.mustRun === false && container.mustRun !== false)
      await doing("Unable to start container", unless(target.start(), [304]));
    if ((["restart", "memory", "memorySwap"] as const).some((key) => before[key] !== container[key]))
      await doing(
        "Unable to update a container",
        target.update({ ...memoryLimits(container), RestartPolicy: { Name: container.restart } }),
      );
    return undefined;
  },

  async delete(id, state) {
    const { destroyGraceSeconds: t = 0 } = state as unknown as ContainerInputs;
    const target = (await engine()).getContainer(id);
    await doing(`Error stopping container ${id}`, unless(target.stop({ t }), [304, 404]));
    await doing(`Error deleting container ${id}`, unless(target.remove({ v: true, force: true })));
  },
};

/** Puts the container on its networks, and off the daemon's default bridge, where every container is at first. */
async function connect(id: string, { networksAdvanced = [] }: ContainerInputs): Promise<void> {
  if (networksAdvanced.length === 0) return;
  const docker = await engine();
  await docker
    .getNetwork("bridge")
    .disconnect({ Container: id })
    .catch((error: unknown) => {
      if (!reason(error).includes("is not connected to the network bridge")) throw error;
    });
  for (const { name, aliases = [] } of networksAdvanced)
    await doing(
      `Unable to connect to network '${name}'`,
      docker.getNetwork(name).connect({ Container: id, EndpointConfig: { Aliases: aliases } }),
    );
}
