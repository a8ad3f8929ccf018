/** Where a MIG device is on its GPU. */
export interface MigInstance {
  /** UUID of the GPU. */
  parent: string;
  index: number;
  gpuInstance: string;
  computeInstance: string;
}

/** The name of a MIG device in R450, which NVIDIA's tools still accept. */
export const migName = ({ parent, gpuInstance, computeInstance }: MigInstance): string =>
  `MIG-${parent}/${gpuInstance}/${computeInstance}`;
