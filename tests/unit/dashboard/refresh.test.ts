import { Unanswered } from "../../../dashboard/api";
import { useRefreshed, type Loaded } from "../../../dashboard/refresh";

/** The state of the hooks, in the order of their calls. */
const states: unknown[] = [];
let call = 0;
const effects: (() => void)[] = [];

jest.mock("preact/hooks", () => ({
  useState: (initial: unknown) => {
    const at = call++;
    if (!(at in states)) states[at] = initial;
    const set = (next: unknown) => {
      states[at] = typeof next === "function" ? (next as (old: unknown) => unknown)(states[at]) : next;
    };
    return [states[at], set];
  },
  useEffect: (effect: () => void) => {
    effects.push(effect);
  },
}));

/** Calls of the page's functions by the browser. */
let onVisible: () => void;
let timeouts: { callback: () => void; seconds: number }[];

beforeEach(() => {
  states.length = 0;
  effects.length = 0;
  timeouts = [];
  Object.assign(globalThis, {
    document: {
      hidden: false,
      addEventListener: (_: string, listener: () => void) => (onVisible = listener),
      removeEventListener: jest.fn(),
    },
    window: {
      setTimeout: (callback: () => void, milliseconds: number) =>
        timeouts.push({ callback, seconds: milliseconds / 1000 }),
      clearTimeout: jest.fn(),
    },
  });
});
afterEach(() => {
  jest.restoreAllMocks();
  Reflect.deleteProperty(globalThis, "document");
  Reflect.deleteProperty(globalThis, "window");
});

function render<T>(load: () => Promise<T>): Loaded<T> {
  call = 0;
  return useRefreshed(load, "key");
}
/** Renders, and runs the effect of the first time. */
function mount<T>(load: () => Promise<T>): Loaded<T> {
  const loaded = render(load);
  effects[0]?.();
  return loaded;
}
const settled = () => new Promise((resolve) => setImmediate(resolve));

describe("Refresh of the page", () => {
  it.each([
    ["unreachable", 5],
    ["not ready", 5],
    ["rejected", 30],
    ["login", 30],
  ] as const)("comes after a failure that is %s in %d s", async (reason, seconds) => {
    mount(() => Promise.reject(new Unanswered(reason, "")));
    await settled();
    expect(timeouts.map((timeout) => timeout.seconds)).toEqual([seconds]);
  });

  it("does not begin while one is in flight", async () => {
    let answer: (value: number) => void = jest.fn();
    const load = jest.fn(() => new Promise<number>((resolve) => (answer = resolve)));
    mount(load);
    onVisible();
    expect(load).toHaveBeenCalledTimes(1);
    answer(1);
    await settled();
    onVisible();
    expect(load).toHaveBeenCalledTimes(2);
  });

  it("has the age of the data by the reader's clock, whatever the clock of Prometheus", async () => {
    const clock = jest.spyOn(Date, "now").mockReturnValue(1_000_000);
    const load = jest.fn().mockResolvedValueOnce("data");
    mount(load);
    await settled();
    load.mockRejectedValueOnce(new Unanswered("unreachable", ""));
    timeouts[0]?.callback();
    await settled();
    clock.mockReturnValue(1_042_000);
    expect(render(load)).toMatchObject({ data: "data", age: 42, failure: { reason: "unreachable" } });
  });
});
