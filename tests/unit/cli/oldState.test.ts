import { completeOldState } from "../../../cli/repair/oldState";
import type { State } from "../../../cli/state";

const NETWORK = "docker:index/network:Network";
const CONTAINER = "docker:index/container:Container";
const state = (...resources: { type: string; outputs?: Record<string, unknown> }[]): State => ({
  deployment: { resources: resources.map((resource) => ({ urn: "urn", ...resource })) },
});

describe("A state that the plugin in TypeScript wrote", () => {
  it("gets the empty options of networks and the empty environment of containers", () => {
    const old = state({ type: NETWORK, outputs: { name: "n" } }, { type: CONTAINER, outputs: { name: "c" } });
    expect(completeOldState(old)).toBe(2);
    expect(old).toEqual(
      state(
        { type: NETWORK, outputs: { name: "n", options: {} } },
        { type: CONTAINER, outputs: { name: "c", envs: [] } },
      ),
    );
    expect(completeOldState(old)).toBe(0);
  });

  it("keeps what is there, and other resources", () => {
    const current = state(
      { type: NETWORK, outputs: { options: { a: "b" } } },
      { type: CONTAINER, outputs: { envs: ["A=1"] } },
      { type: CONTAINER },
      { type: "docker:index/volume:Volume", outputs: {} },
    );
    const before = structuredClone(current);
    expect(completeOldState(current)).toBe(0);
    expect(current).toEqual(before);
    expect(completeOldState({ deployment: null })).toBe(0);
  });
});
