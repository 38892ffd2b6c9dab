#include <gtest/gtest.h>

#include "base/error.h"
#include "model/config.h"
#include "tiny_checkpoint.h"

namespace assay {
namespace {

/// tiny_llama() inside of another model, under other names.
test::TinyModel wrapped(const std::string& section, const std::string& decoder, const std::string& head) {
  const test::TinyModel plain = test::tiny_llama();
  test::TinyModel model;
  model.config = {{"model_type", "llava"}, {section, plain.config}};
  for (const auto& [name, shape] : plain.tensors) {
    const bool own = name.starts_with("model.");
    model.tensors[own ? decoder + name.substr(6) : head + name] = shape;
  }
  model.tensors["vision_tower.a.weight"] = model.tensors["vision_tower.b.weight"] = {2, 2};
  return model;
}

ModelSpec read(const test::TinyModel& model) {
  const test::TempDir folder;
  return read_model_spec(model.write(folder));
}

TEST(Multimodal, TheLanguageModelIsFoundUnderTheNamesOfEveryVersion) {
  const std::vector<std::pair<std::string, std::string>> names = {
      {"model.language_model.", ""}, {"language_model.model.", "language_model."}, {"model.text_model.", ""}};
  for (const auto& [decoder, head] : names) {
    const ModelSpec spec = read(wrapped("text_config", decoder, head));
    EXPECT_EQ(spec.embedding, decoder + "embed_tokens");
    EXPECT_EQ(spec.head.module, head + "lm_head");
    EXPECT_EQ(spec.embedding_dense_name, "model.embed_tokens.weight");
  }
}

TEST(Multimodal, ItsSectionHasSeveralNames) {
  EXPECT_EQ(read(wrapped("llm_config", "language_model.model.", "language_model.")).architecture, "llama");
  test::TinyModel speech = wrapped("text_config", "thinker.model.", "thinker.");
  speech.config = {{"model_type", "omni"}, {"thinker_config", speech.config}};
  EXPECT_EQ(read(speech).architecture, "llama");
}

TEST(Multimodal, WhatIsSkippedIsNamed) {
  const ModelSpec spec = read(wrapped("text_config", "model.language_model.", ""));
  ASSERT_EQ(spec.notes.size(), 1U);
  EXPECT_NE(spec.notes[0].find("\"vision_tower\" (2 tensors)"), std::string::npos) << spec.notes[0];
  EXPECT_EQ(spec.notes[0].find("lm_head"), std::string::npos) << spec.notes[0];
}

TEST(Multimodal, SizesThatTheSectionLeavesOutAreTheLibrarys) {
  test::TinyModel model = wrapped("text_config", "language_model.model.", "language_model.");
  model.config["text_config"].erase("hidden_size");
  try {
    read(model);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("4096"), std::string::npos) << error.what();
  }
  // No other config leaves anything out.
  test::TinyModel plain = test::tiny_llama();
  plain.config.erase("hidden_size");
  EXPECT_THROW(read(plain), Error);
}

}  // namespace
}  // namespace assay
