import type { Input, ResourceType } from "../resourceType";
import { deleteWhenUnused, doing, engine, labelList, labelMap, unless, type Label } from "./engine";

const replace: Input = { on: "replace" };

interface NetworkInputs {
  name: string;
  driver?: string;
  internal?: boolean;
  options?: Record<string, string>;
  ipamConfigs?: {
    subnet?: string;
    gateway?: string;
    ipRange?: string;
    auxAddress?: Record<string, string>;
  }[];
  labels?: Label[];
}

/** `docker.Network`. */
export const network: ResourceType = {
  inputs: {
    name: replace,
    driver: { on: "replace", computed: true },
    internal: { on: "replace", computed: true },
    options: { on: "replace", computed: true },
    ipamConfigs: {
      on: "replace",
      keys: ["subnet", "gateway", "ipRange", "auxAddress"],
      set: true,
      computed: true,
    },
    labels: { on: "replace", keys: ["label", "value"], set: true },
  },
  added: { ipamDriver: "default" },
  autonamed: true,
  async create(values) {
    const inputs = values as unknown as NetworkInputs;
    const { id } = await doing(
      "Unable to create network",
      (await engine()).createNetwork({
        Name: inputs.name,
        CheckDuplicate: true,
        Driver: inputs.driver ?? "",
        Internal: inputs.internal ?? false,
        Options: inputs.options ?? {},
        ...(inputs.ipamConfigs && {
          IPAM: {
            Driver: "default",
            Config: inputs.ipamConfigs.map(({ subnet, gateway, ipRange, auxAddress }) => ({
              Subnet: subnet,
              Gateway: gateway,
              IPRange: ipRange,
              AuxiliaryAddresses: auxAddress,
            })),
          },
        }),
        Labels: labelMap(inputs.labels),
      }),
    );
    return { id };
  },
  async read(id) {
    const info = await unless((await engine()).getNetwork(id).inspect());
    return (
      info && {
        inputs: {
          name: info.Name,
          driver: info.Driver,
          internal: info.Internal,
          options: info.Options ?? {},
          ipamConfigs: (info.IPAM?.Config ?? []).map(({ Subnet, Gateway, IPRange, AuxiliaryAddresses }) => ({
            subnet: Subnet,
            gateway: Gateway,
            ipRange: IPRange,
            auxAddress: AuxiliaryAddresses,
          })),
          labels: labelList(info.Labels),
        },
        outputs: { driver: info.Driver, scope: info.Scope },
      }
    );
  },
  async delete(id) {
    const target = (await engine()).getNetwork(id);
    await deleteWhenUnused(() => target.remove(), /has active endpoints/);
  },
};
