import { ALERT_DEFAULTS } from "../../../settings";
import { settings } from "../../support/settings";

describe("The setting alerts", () => {
  const alerts = (values: unknown) => settings({ alerts: values }).alerts;

  it("has a default for each threshold, and changes those that it names", () => {
    expect(alerts({})).toEqual(ALERT_DEFAULTS);
    expect(alerts({ gpuHotCelsius: 90, disabled: ["GpuAllocatedIdle"] })).toEqual({
      ...ALERT_DEFAULTS,
      gpuHotCelsius: 90,
      disabled: ["GpuAllocatedIdle"],
    });
  });

  // `pulumi config set --path` stores whole numbers and booleans as such, and everything else as text.
  it("is accepted as Pulumi hands it over", () => {
    expect(alerts('{"containerMemoryRatio":"0.95","gpuHotCelsius":90}')).toMatchObject({
      containerMemoryRatio: 0.95,
      gpuHotCelsius: 90,
    });
  });

  it.each([
    [
      { disabled: ["GpuIdle"] },
      'alerts.disabled[0] is "GpuIdle", but must be the name of an alert: docs/metrics.md lists them',
    ],
    [{ disabled: ["ContainerOOMKiled"] }, "did you mean ContainerOOMKilled?"],
    [{ disabled: ["watchdog"] }, "did you mean Watchdog?"],
    [{ disabled: "Watchdog" }, 'alerts.disabled is "Watchdog", but must be a list'],
    [{ gpuHotCelcius: 90 }, "alerts.gpuHotCelcius is not a setting: did you mean gpuHotCelsius?"],
    [
      { containerMemoryRatio: 90 },
      "alerts.containerMemoryRatio is 90, but must be a number above 0 and at most 1",
    ],
    [{ containerMemoryRatio: "90 %" }, "must be a number above 0 and at most 1"],
    [{ containerMemoryRatio: 0 }, "must be a number above 0 and at most 1"],
    [{ containerMemoryRatio: true }, "must be a number above 0 and at most 1"],
    [{ containerMemoryFor: "5 minutes" }, 'alerts.containerMemoryFor is "5 minutes", but must be a duration'],
    [{ containerMemoryFor: 5 }, "must be a duration"],
    [{ containerRestarts: -1 }, "alerts.containerRestarts is -1, but must be a number above 0"],
    [{ gpuHostMemory: "1" }, 'alerts.gpuHostMemory is "1", but must be a size'],
    [{ runbooks: "wiki" }, 'alerts.runbooks is "wiki", but must be the URL of docs/runbooks.md'],
    ["GpuHot", 'alerts is "GpuHot", but must be an object of keys and values'],
  ])("is refused by its key: %j", (values, message) => {
    expect(() => alerts(values)).toThrow(message);
  });
});
