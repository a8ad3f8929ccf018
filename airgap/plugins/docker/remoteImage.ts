import type { ResourceType } from "../plugin";
import type { Values } from "../values";
import { engine, found } from "./engine";

/** `docker.RemoteImage`: the local image of that name, pulled where there is none. */
export const remoteImage: ResourceType = {
  inputs: { name: { on: "replace" }, keepLocally: { on: "update" } },
  async create(inputs) {
    const name = inputs["name"] as string;
    await ensureImage(name);
    const outputs = await inspect(name);
    if (!outputs) throw new Error(`unable to find or pull image ${name}`);
    return { id: `${String(outputs["imageId"])}${name}`, outputs };
  },
  async read(_id, state) {
    const outputs = await inspect(state["name"] as string);
    return outputs && { inputs: { name: state["name"] }, outputs };
  },
  update: async (_id, _olds, news) => (await inspect(news["name"] as string)) ?? {},
  async delete(_id, state) {
    if (state["keepLocally"] !== true) await found(engine.getImage(state["name"] as string).remove());
  },
};

/** Pulls an image that is not there. */
export async function ensureImage(name: string): Promise<void> {
  if (await inspect(name)) return;
  try {
    const progress = await engine.pull(name);
    await new Promise<void>((resolve, reject) => {
      engine.modem.followProgress(progress, (error: Error | null) => {
        if (error) reject(error);
        else resolve();
      });
    });
  } catch (error) {
    throw new Error(`unable to pull image ${name}: ${(error as Error).message}`, { cause: error });
  }
}

async function inspect(name: string): Promise<Values | undefined> {
  const info = await found(engine.getImage(name).inspect());
  return info && { imageId: info.Id, repoDigest: (info.RepoDigests as string[] | undefined)?.[0] ?? "" };
}
