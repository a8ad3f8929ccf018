import type { ResourceType } from "../plugin";
import { deleteWhenUnused, engine, found, labelList, labelMap, type Label } from "./engine";

/** `docker.Volume`, of the driver `local`. */
export const volume: ResourceType = {
  inputs: { name: { on: "replace" }, labels: { on: "replace", keys: ["label", "value"], set: true } },
  async create(inputs) {
    const name = inputs["name"] as string;
    await engine.createVolume({ Name: name, Labels: labelMap(inputs["labels"] as Label[] | undefined) });
    const { Driver, Mountpoint } = await engine.getVolume(name).inspect();
    return { id: name, outputs: { driver: Driver, mountpoint: Mountpoint } };
  },
  async read(id) {
    const info = await found(engine.getVolume(id).inspect());
    return (
      info && {
        inputs: { name: info.Name, labels: labelList(info.Labels) },
        outputs: { driver: info.Driver, mountpoint: info.Mountpoint },
      }
    );
  },
  update: (_id, _olds, news) => Promise.resolve(news),
  delete: (id) => deleteWhenUnused(() => engine.getVolume(id).remove({ force: true }), /volume is in use/),
};
