import type { ResourceType } from "../resourceType";
import { deleteWhenUnused, doing, engine, labelList, labelMap, unless, type Label } from "./engine";

/** `docker.Volume`, of the driver `local`. */
export const volume: ResourceType = {
  inputs: {
    name: { on: "replace" },
    driverOpts: { on: "replace" },
    labels: { on: "replace", keys: ["label", "value"], set: true },
  },
  autonamed: true,
  async create(inputs) {
    const Labels = labelMap(inputs["labels"] as Label[] | undefined);
    const name = inputs["name"] as string;
    const DriverOpts = inputs["driverOpts"] as Record<string, string> | undefined;
    await doing(
      "Unable to create volume",
      (await engine()).createVolume({ Name: name, Labels, ...(DriverOpts && { DriverOpts }) }),
    );
    return { id: name };
  },
  async read(id) {
    const info = await unless((await engine()).getVolume(id).inspect());
    return (
      info && {
        inputs: { name: info.Name, driverOpts: info.Options ?? {}, labels: labelList(info.Labels) },
        outputs: { driver: info.Driver, mountpoint: info.Mountpoint },
      }
    );
  },
  async delete(id) {
    const target = (await engine()).getVolume(id);
    await deleteWhenUnused(() => target.remove({ force: true }), /volume is in use/);
  },
};
