import type { Input, ResourceType } from "../plugin";
import { deleteWhenUnused, engine, found, labelList, labelMap, type Label } from "./engine";

const replace: Input = { on: "replace" };

interface NetworkInputs {
  name: string;
  driver?: string;
  internal?: boolean;
  options?: Record<string, string>;
  labels?: Label[];
}

/** `docker.Network`. */
export const network: ResourceType = {
  inputs: {
    name: replace,
    driver: replace,
    internal: replace,
    options: replace,
    labels: { on: "replace", keys: ["label", "value"], set: true },
  },
  async create(values) {
    const inputs = values as unknown as NetworkInputs;
    const { id } = await engine.createNetwork({
      Name: inputs.name,
      CheckDuplicate: true,
      Driver: inputs.driver ?? "bridge",
      Internal: inputs.internal ?? false,
      Options: inputs.options ?? {},
      Labels: labelMap(inputs.labels),
    });
    return { id, outputs: { scope: "local" } };
  },
  async read(id, state) {
    const info = await found(engine.getNetwork(id).inspect());
    if (!info) return undefined;
    const actual = {
      name: info.Name,
      driver: info.Driver,
      options: info.Options ?? {},
      labels: labelList(info.Labels),
    };
    const internal = info.Internal || state["internal"] !== undefined ? { internal: info.Internal } : {};
    return { inputs: { ...actual, ...internal }, outputs: { scope: info.Scope } };
  },
  update: (_id, _olds, news) => Promise.resolve(news),
  delete: (id) => deleteWhenUnused(() => engine.getNetwork(id).remove(), /has active endpoints/),
};
