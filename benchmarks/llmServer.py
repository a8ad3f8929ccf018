"""llama.cpp's server with a model of random weights that it makes, at the port of the first argument."""

import sys
import time

import gguf
import numpy
import xllamacpp

MODEL = "/tmp/tiny.gguf"
EMBEDDING, BLOCKS, HEADS, FEED_FORWARD, CONTEXT = 64, 2, 4, 128, 4096


def write_model(file: str) -> None:
    special = {b"<unk>": gguf.TokenType.UNKNOWN, b"<s>": gguf.TokenType.CONTROL, b"</s>": gguf.TokenType.CONTROL}
    tokens = {
        **special,
        **{f"<0x{byte:02X}>".encode(): gguf.TokenType.BYTE for byte in range(256)},
        **{f"\u2581w{word}".encode(): gguf.TokenType.NORMAL for word in range(61)},
    }
    model = gguf.GGUFWriter(file, "llama")
    model.add_name("tiny")
    model.add_context_length(CONTEXT)
    model.add_embedding_length(EMBEDDING)
    model.add_block_count(BLOCKS)
    model.add_feed_forward_length(FEED_FORWARD)
    model.add_head_count(HEADS)
    model.add_head_count_kv(HEADS)
    model.add_layer_norm_rms_eps(1e-5)
    model.add_rope_dimension_count(EMBEDDING // HEADS)
    model.add_vocab_size(len(tokens))
    model.add_tokenizer_model("llama")
    model.add_token_list(list(tokens))
    model.add_token_scores([0.0] * len(tokens))
    model.add_token_types(list(tokens.values()))
    model.add_unk_token_id(0)
    model.add_bos_token_id(1)
    model.add_eos_token_id(2)

    random = numpy.random.default_rng(1)

    def add_weights(name: str, *shape: int) -> None:
        model.add_tensor(f"{name}.weight", (random.standard_normal(shape) * 0.05).astype(numpy.float32))

    def add_norm(name: str) -> None:
        model.add_tensor(f"{name}.weight", numpy.ones(EMBEDDING, numpy.float32))

    add_weights("token_embd", len(tokens), EMBEDDING)
    add_weights("output", len(tokens), EMBEDDING)
    add_norm("output_norm")
    for block in range(BLOCKS):
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            add_weights(f"blk.{block}.{name}", EMBEDDING, EMBEDDING)
        add_weights(f"blk.{block}.ffn_gate", FEED_FORWARD, EMBEDDING)
        add_weights(f"blk.{block}.ffn_up", FEED_FORWARD, EMBEDDING)
        add_weights(f"blk.{block}.ffn_down", EMBEDDING, FEED_FORWARD)
        add_norm(f"blk.{block}.attn_norm")
        add_norm(f"blk.{block}.ffn_norm")
    model.write_header_to_file()
    model.write_kv_data_to_file()
    model.write_tensors_to_file()
    model.close()


write_model(MODEL)
parameters = xllamacpp.CommonParams()
parameters.model.path = MODEL
parameters.endpoint_metrics = True
parameters.hostnames = ["0.0.0.0"]
parameters.port = int(sys.argv[1])
parameters.n_ctx = 2048
parameters.n_parallel = 4
parameters.warmup = False
parameters.cpuparams.n_threads = 1
server = xllamacpp.Server(parameters)
while True:
    time.sleep(3600)
