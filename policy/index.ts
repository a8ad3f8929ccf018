import { PolicyPack } from "@pulumi/policy";
import { policies } from "./policies";

process.chdir(".."); // The pack's version is that of the package.json here.
new PolicyPack("llm-metrics", {
  policies: policies(JSON.parse(process.env["PULUMI_CONFIG"] ?? "{}") as Record<string, string>),
  enforcementLevel: "mandatory",
});
