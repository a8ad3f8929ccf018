import { main } from "@pulumi/pulumi/provider";
import { check } from "./check";
import { takeConfiguration } from "./configuration";
import { diff, drifted } from "./diff";
import { IncompleteError, type ResourceType } from "./resourceType";
import { hasSecret, secret, unwrapped, type Values } from "./values";

/** What a plugin has. */
export interface Plugin {
  /** The version of the official plugin that it agrees with. */
  version: string;
  resources: Record<string, ResourceType>;
  /** Keys of the provider's configuration that it implements. */
  configuration?: readonly string[];
  /** Ends what is under way, when the user interrupts an update. */
  cancel?: () => void;
}

/** Serves the plugin to the engine, on a loopback port that it prints. */
export async function serve({ version, resources, configuration = [], cancel }: Plugin): Promise<void> {
  const tokenOf = (urn: string) => urn.split("::")[2]?.split("$").pop() ?? "";
  const typeOf = (urn: string) => {
    const type = resources[tokenOf(urn)];
    if (!type) throw new Error(lacking(resources, tokenOf(urn)));
    return type;
  };

  takeConfiguration(configuration);
  await main(
    {
      version,
      check: (urn, olds: Values, news: Values) =>
        settle(() => {
          const type = resources[tokenOf(urn)];
          if (!type)
            return { inputs: news, failures: [{ property: "", reason: lacking(resources, tokenOf(urn)) }] };
          return check(type, urn.split("::").pop() ?? "", olds, news);
        }),
      diff: (_id, urn, olds: Values, news: Values) =>
        settle(() => {
          // The state of what was left behind by a creation that failed; it is never mended, as with the official plugin.
          if (Object.keys(olds).length === 0)
            return { changes: true, replaces: ["id"], deleteBeforeReplace: true };
          const { changed, ...rest } = diff(typeOf(urn), olds, news);
          // Changes are told as "unknown": then the engine lists them itself, which `replaceOnChanges` and `preview --diff` need.
          return changed.length > 0 ? rest : { changes: false };
        }),
      create: async (urn, inputs: Values) => {
        try {
          const type = typeOf(urn);
          const plain = unwrapped(inputs) as Values;
          const { id, outputs } = await type.create(plain, urn);
          const found = await type.read?.(id, plain);
          return {
            id: found?.id ?? id,
            outs: { ...inputs, ...concealed(outputs, inputs), ...found?.outputs },
          };
        } catch (error) {
          if (!(error instanceof IncompleteError)) throw error;
          throw Object.assign(error, { properties: {}, reasons: [error.message] });
        }
      },
      read: async (id, urn, props: Values = {}) => {
        const type = typeOf(urn);
        if (!type.read) return { id, props, inputs: drifted(type, props, {}) };
        const found = await type.read(id, unwrapped(props) as Values);
        if (!found) return { id: "", props: {} };
        const inputs = drifted(type, props, found.inputs);
        return { id: found.id ?? id, props: { ...inputs, ...found.outputs }, inputs };
      },
      update: async (id, urn, olds: Values, news: Values) => {
        const type = typeOf(urn);
        const plain = unwrapped(news) as Values;
        const outputs = await type.update?.(id, unwrapped(olds) as Values, plain, urn);
        const found = await type.read?.(id, plain);
        return { outs: { ...news, ...concealed(outputs ?? {}, news), ...found?.outputs } };
      },
      delete: (id, urn, props: Values) => typeOf(urn).delete(id, unwrapped(props) as Values, urn),
      invoke: (token) => Promise.reject(new Error(lacking(resources, token))),
      cancel: () => settle(() => cancel?.()),
    },
    process.argv.slice(2),
  );
}

const lacking = (things: object, token: string): string =>
  `the airgap plugin does not implement ${token}, only ${Object.keys(things).join(", ")}; ` +
  "use the official plugin, or add it in airgap/plugins";

/** What came of secret inputs is secret too. */
const concealed = (outputs: Values = {}, inputs: Values): Values =>
  hasSecret(inputs)
    ? Object.fromEntries(Object.entries(outputs).map(([key, value]) => [key, secret(value)]))
    : outputs;

/** A promise of what a function returns, or of its error. */
const settle = async <T>(work: () => T): Promise<T> => Promise.resolve().then(work);
