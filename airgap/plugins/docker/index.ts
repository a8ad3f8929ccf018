import { serve } from "../plugin";
import { container } from "./container";
import { network } from "./network";
import { remoteImage } from "./remoteImage";
import { volume } from "./volume";

void serve({
  version: "5.2.0",
  configuration: ["host"],
  resources: {
    "docker:index/container:Container": container,
    "docker:index/network:Network": network,
    "docker:index/remoteImage:RemoteImage": remoteImage,
    "docker:index/volume:Volume": volume,
  },
});
