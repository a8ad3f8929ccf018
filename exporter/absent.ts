// Stands in the bundle for the packages by which dockerode builds images and goes through ssh: nothing here does.
export {};
