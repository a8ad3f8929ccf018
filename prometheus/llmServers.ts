import { cut, MAX_LABEL_LENGTH } from "../lib/labels";
import type { RelabelConfig } from "../settings";

/** Words in an image's repository that identify an LLM server, as whole words (`my-vllm:1`, not `notvllm:1`). */
const IMAGE_WORDS: Readonly<Record<string, string>> = {
  vllm: "vllm",
  sglang: "sglang",
  tgi: "tgi|text-generation-inference",
  ollama: "ollama",
  "llama.cpp": "llama[.]cpp|llama-cpp|llama-server",
  triton: "tritonserver|triton-inference-server",
};

/** A regular expression for images with one of the words. */
const pattern = (words: string) => `(?:.*/)?(?:[^/:@]*[._-])?(?:${words})(?:[/:@._-].*)?`;

/**
 * The LLM server of a container, by its image and the container label `llm-metrics.server`; "" for none. Equal to what
 * {@link llmServerRelabeling} sets.
 */
export function llmServer(image: string, label: string): string {
  if (label) return label === "none" ? "" : cut(label);
  const matching = Object.entries(IMAGE_WORDS).filter(([, words]) =>
    new RegExp(`^${pattern(words)}$`).test(image),
  );
  return matching.pop()?.[0] ?? "";
}

/**
 * Relabeling that sets `llm_server`, from the image first and then from the container label.
 *
 * @param containerLabel the label under which cAdvisor exports the container label `llm-metrics.server`
 */
export function llmServerRelabeling(containerLabel: string): RelabelConfig[] {
  const fromImage = Object.entries(IMAGE_WORDS).map(([server, words]) => ({
    source_labels: ["image"],
    regex: pattern(words),
    target_label: "llm_server",
    replacement: server,
  }));
  return [
    ...fromImage,
    {
      source_labels: [containerLabel],
      regex: `(?s)(.{1,${MAX_LABEL_LENGTH}}).*`,
      target_label: "llm_server",
      replacement: "$1",
    },
    { source_labels: ["llm_server"], regex: "none", target_label: "llm_server", replacement: "" },
  ];
}
