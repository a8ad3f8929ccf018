import { configuration, strange } from "../../../airgap/plugins/configuration";
import { engine } from "../../../airgap/plugins/docker/engine";

test("docker:host decides which daemon is used, before DOCKER_HOST", async () => {
  process.env["DOCKER_HOST"] = "unix:///one.sock";
  configuration["host"] = "unix:///other.sock";
  expect((await engine()).modem).toMatchObject({ socketPath: "/other.sock" });
});

test("a configuration of the official plugin that is not implemented is refused by its name", () => {
  expect(strange(["host", "version", "certPath"], ["host"])).toContain('the configuration "certPath"');
  expect(strange(["host", "version", "__pulumi-go-provider-version"], ["host"])).toBeUndefined();
});
