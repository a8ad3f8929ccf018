import type { RelabelRule } from "../settings";

/** The container label whose value overrides what the image's name says; `none` means that it is not an LLM server. */
export const LLM_SERVER_LABEL = "llm-metrics.server";

/** Words in an image's repository that name an LLM server. They count as whole words: `my-vllm:1`, not `notvllm:1`; in the tag they do not count. */
const IMAGE_WORDS: Readonly<Record<string, string>> = {
  vllm: "vllm",
  sglang: "sglang",
  tgi: "tgi|text-generation-inference",
  ollama: "ollama",
  "llama.cpp": "llama[.]cpp|llama-cpp|llama-server",
  triton: "tritonserver|triton-inference-server",
};

/** The regular expression of an image with one of the words. */
const pattern = (words: string) => `(?:.*/)?(?:[^/:@]*[._-])?(?:${words})(?:[/:@._-].*)?`;

/** The LLM server that a container is, by its image and {@link LLM_SERVER_LABEL}; "" for none. Agrees with {@link llmServerRules}. */
export function llmServer(image: string, label: string): string {
  if (label) return label === "none" ? "" : label;
  const matching = Object.entries(IMAGE_WORDS).filter(([, words]) =>
    new RegExp(`^${pattern(words)}$`).test(image),
  );
  return matching.pop()?.[0] ?? "";
}

/**
 * Rules that set `llm_server`, from the image first and then from the container label.
 *
 * @param containerLabel the label under which cAdvisor exports {@link LLM_SERVER_LABEL}
 */
export function llmServerRules(containerLabel: string): RelabelRule[] {
  const fromImage = Object.entries(IMAGE_WORDS).map(([server, words]) => ({
    source_labels: ["image"],
    regex: pattern(words),
    target_label: "llm_server",
    replacement: server,
  }));
  return [
    ...fromImage,
    { source_labels: [containerLabel], regex: "(.{1,200}).*", target_label: "llm_server", replacement: "$1" },
    { source_labels: ["llm_server"], regex: "none", target_label: "llm_server", replacement: "" },
  ];
}
