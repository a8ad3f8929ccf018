// Stands in the bundle for all of @pulumi/pulumi, of which @pulumi/policy uses this: the rest takes half a second to load.
export * as asset from "@pulumi/pulumi/asset";
export { Output } from "@pulumi/pulumi/output";
