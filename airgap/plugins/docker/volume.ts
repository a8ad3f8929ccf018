import type { ResourceType } from "../resourceType";
import { deleteWhenUnused, doing, engine, labelList, labelMap, unless, type Label } from "./engine";

/** `docker.Volume`, of the driver `local`. */
export const volume: ResourceType = {
  inputs: { name: { on: "replace" }, labels: { on: "replace", keys: ["label", "value"], set: true } },
  autonamed: true,
  async create(inputs) {
    const Labels = labelMap(inputs["labels"] as Label[] | undefined);
    const name = inputs["name"] as string;
    await doing("Unable to create volume", (await engine()).createVolume({ Name: name, Labels }));
    return { id: name };
  },
  async read(id) {
    const info = await unless((await engine()).getVolume(id).inspect());
    return (
      info && {
        inputs: { name: info.Name, labels: labelList(info.Labels) },
        outputs: { driver: info.Driver, mountpoint: info.Mountpoint },
      }
    );
  },
  async delete(id) {
    const target = (await engine()).getVolume(id);
    await deleteWhenUnused(() => target.remove({ force: true }), /volume is in use/);
  },
};
