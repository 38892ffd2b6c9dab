#include "model/arch/gpt.h"

namespace assay::arch {

/// Learned positions of which the first two are not used, ReLU, and, in the 350M model, norms behind each part and
/// embeddings of another width than the model.
ModelSpec opt(Source& source) {
  Keys& keys = source.keys;
  DecoderDefaults defaults = gpt_defaults();
  defaults.tied = true;
  defaults.activation = "relu";
  defaults.keys = {
      .intermediate = "ffn_dim", .kv_heads = nullptr, .norm_eps = nullptr, .activation = "activation_function"};
  defaults.names = {.plain = "model.decoder.",
                    .final_norm = "final_layer_norm",
                    .o = "out_proj",
                    .mlp = "",
                    .up = "fc1",
                    .down = "fc2",
                    .attention_norm = "self_attn_layer_norm",
                    .mlp_norm = "final_layer_norm"};
  Decoder decoder = read_gpt(source, defaults);
  decoder.qkv_bias = decoder.o_bias = decoder.mlp_bias = keys.boolean_or("enable_bias", true);
  decoder.norm.weight = decoder.norm.bias = keys.boolean_or("layer_norm_elementwise_affine", true);
  const bool norm_first = keys.boolean_or("do_layer_norm_before", true);
  if (!norm_first || keys.boolean_or("_remove_final_layer_norm", false)) decoder.names.final_norm = "";
  decoder.embedding_width = keys.size_or("word_embed_proj_dim", decoder.hidden);

  ModelSpec model = build_with_positions(source, decoder, "embed_positions", 2, [&](int64_t layer) {
    LayerSpec spec = decoder_layer(source, decoder, layer);
    for (BranchSpec* branch : {&spec.mixer_branch, &spec.mlp_branch})
      if (!norm_first) std::swap(branch->input_norm, branch->sum_norm);
    return spec;
  });
  if (decoder.embedding_width != decoder.hidden) {
    model.input.project = source.linear("project_in", decoder.hidden, decoder.embedding_width);
    model.project = source.linear("project_out", decoder.embedding_width, decoder.hidden);
  }
  return model;
}

}  // namespace assay::arch
