import type { HostNetwork } from "../../../host/facts";
import { fixedAddresses } from "../../../components/container";
import { containerInputs, declare, declared } from "../../support/declare";

const chat: HostNetwork = {
  id: "1234567890abcdef",
  name: "chat_default",
  driver: "bridge",
  joinable: true,
  hasIpv4: true,
  labels: {},
};
const NAME = "llm-metrics-dev-llm-forwarder";
const networksOf = (suffix: string) =>
  (containerInputs(`${suffix}-container`)["networksAdvanced"] as { name: string }[]).map(({ name }) => name);
const environmentOf = (suffix: string) => containerInputs(`${suffix}-container`)["envs"] as string[];
const declareWith = (changes: object = {}) =>
  declare({ llmNetworks: ["chat_default"], ...changes }, { llmNetworks: [chat] });

describe("The forwarder to LLM servers", () => {
  it("joins the networks of the setting llmNetworks, and no other container does", async () => {
    await declareWith({ dockerAccess: "proxy" });
    expect(networksOf("llm-forwarder")).toEqual(["llm-metrics-dev", NAME, "chat_default"]);
    expect(networksOf("prometheus")).toEqual(["llm-metrics-dev"]);
    expect(networksOf("exporter")).toEqual(["llm-metrics-dev", "llm-metrics-dev-docker", NAME]);
    const joined = declared.filter(({ inputs }) => JSON.stringify(inputs).includes('"chat_default"'));
    expect(joined.map(({ name }) => name)).toEqual([`${NAME}-container`]);
  });

  it("has no privileges, no mounts and no ports, and forwards no packets", async () => {
    await declareWith();
    const forwarder = containerInputs("llm-forwarder-container");
    expect(forwarder).toMatchObject({
      user: "65534:65534",
      readOnly: true,
      capabilities: { drops: ["ALL"], adds: ["CAP_NET_BIND_SERVICE"] },
      securityOpts: ["no-new-privileges:true"],
      sysctls: { "net.ipv4.ip_forward": "0" },
      memory: 64,
      healthcheck: { tests: expect.arrayContaining(["http://127.0.0.1:23401/healthz"]) as unknown },
    });
    for (const input of ["ports", "volumes", "privileged", "groupAdds", "networkMode"])
      expect(forwarder).not.toHaveProperty(input);
  });

  it("is replaced when one of its networks was created again", async () => {
    const labelOf = async (id: string) => {
      await declare({ llmNetworks: ["chat_default"] }, { llmNetworks: [{ ...chat, id }] });
      return containerInputs("llm-forwarder-container")["labels"];
    };
    expect(await labelOf("a")).toEqual(await labelOf("a"));
    expect(await labelOf("a")).not.toEqual(await labelOf("b"));
  });

  it("knows the exporter by an address on a network of the two", async () => {
    await declareWith();
    const { subnet, at } = fixedAddresses(NAME);
    const link = declared.find(({ name }) => name === `${NAME}-network`)?.inputs;
    expect(link).toMatchObject({ name: NAME, internal: true, ipamConfigs: [{ subnet, gateway: at(1) }] });
    const addressOf = (suffix: string) =>
      (
        containerInputs(`${suffix}-container`)["networksAdvanced"] as { name: string; ipv4Address?: string }[]
      ).find(({ name }) => name === NAME)?.ipv4Address;
    expect([addressOf("exporter"), addressOf("llm-forwarder")]).toEqual([at(2), at(3)]);
    expect(environmentOf("llm-forwarder")[0]).toContain(`"dial": "${at(2)}:23400"`);
  });

  it("finds its address on the stack's network, from which alone it accepts requests", async () => {
    await declareWith();
    expect(JSON.stringify(containerInputs("llm-forwarder-container")["command"])).toContain(
      "ip -4 route show 172.18.0.0/16",
    );
    expect(environmentOf("llm-forwarder")[0]).toContain('"172.18.0.0/16"');
  });

  it("gets the keys by a secret standard input, and they are in no other input", async () => {
    await declare({ llmKeys: { "chat-vllm-1": "sk-secret" } });
    expect(networksOf("llm-forwarder")).toEqual(["llm-metrics-dev", NAME]);
    expect(containerInputs("llm-forwarder-container")["volumes"]).toEqual([
      { volumeName: `${NAME}-keys`, containerPath: "/keys", readOnly: true },
    ]);
    const install = declared.find(({ name }) => name === `${NAME}-install`);
    expect(install?.inputs["stdin"]).toMatchObject({ value: '{"chat-vllm-1":"sk-secret"}' });
    for (const one of declared.filter((resource) => resource !== install))
      expect(JSON.stringify(one.inputs)).not.toContain("sk-secret");
    expect(environmentOf("exporter")).toEqual(
      expect.arrayContaining(["LLM_FORWARDED_NETWORKS=", "LLM_KEYED_CONTAINERS=chat-vllm-1"]),
    );
  });

  it.each([
    ["without networks and keys", {}, []],
    ["with llmServers off", { llmServers: "off", llmKeys: { chat: "key" } }, []],
  ])("is not deployed %s", async (_, changes, llmNetworks) => {
    const { stack } = await declare(changes, { llmNetworks });
    expect(stack.llmForwarder).toBeUndefined();
    expect(declared.map(({ name }) => name).join()).not.toContain("llm-forwarder");
    expect(environmentOf("exporter").join()).not.toContain("LLM_FORWARDED");
  });
});
