import type { ResourceType } from "../resourceType";
import type { Values } from "../values";
import { doing, engine, reason, unless } from "./engine";

/** `docker.RemoteImage`: the local image of that name, pulled where there is none. */
export const remoteImage: ResourceType = {
  inputs: { name: { on: "replace" }, keepLocally: { on: "update" } },
  async create(inputs) {
    const name = inputs["name"] as string;
    return { id: idOf(name, await doing("Unable to read Docker image into resource", findImage(name))) };
  },
  async read(_id, state) {
    const name = state["name"] as string;
    const outputs = await inspect(name);
    return outputs && { id: idOf(name, outputs), inputs: { name }, outputs };
  },
  async update(_id, _olds, news) {
    await doing("Unable to read Docker image into resource", findImage(news["name"] as string));
    return undefined;
  },
  async delete(_id, state) {
    if (state["keepLocally"] === true) return;
    const target = (await engine()).getImage(state["name"] as string);
    await doing("Unable to remove Docker image", unless(target.remove()));
  },
};

const idOf = (name: string, { imageId }: Values): string => `${String(imageId)}${name}`;

/** The outputs of an image, which is pulled if it is not there. */
export async function findImage(name: string): Promise<Values> {
  const local = await inspect(name);
  if (local) return local;
  try {
    const { modem } = await engine();
    const progress = await (await engine()).pull(name);
    await new Promise<void>((resolve, reject) => {
      modem.followProgress(progress, (error: Error | null) => {
        if (error) reject(error);
        else resolve();
      });
    });
  } catch (error) {
    throw new Error(`unable to pull image ${name}: error pulling image ${name}: ${reason(error)}`, {
      cause: error,
    });
  }
  const pulled = await inspect(name);
  if (!pulled) throw new Error(`unable to find or pull image ${name}`);
  return pulled;
}

async function inspect(name: string): Promise<Values | undefined> {
  const info = await unless((await engine()).getImage(name).inspect());
  return info && { imageId: info.Id, repoDigest: repoDigest(name, info.RepoDigests) };
}

/** The digest in the registry that the name is of; the same image may come from several. */
function repoDigest(name: string, digests: string[] | undefined): string {
  const [repository = name] = name.split(":");
  return digests?.find((digest) => digest.startsWith(repository)) ?? digests?.[0] ?? "";
}
