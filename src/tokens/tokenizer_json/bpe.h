#pragma once
#include <array>
#include <memory>
#include <optional>
#include <string>

#include "base/json.h"
#include "tokens/tokenizer_json/merges.h"
#include "tokens/tokenizer_json/model.h"

namespace assay::text {

struct BpeOptions {
  std::string prefix;          // before every character but the first of a piece ("##")
  std::string suffix;          // after the last character of a piece ("</w>")
  int32_t unk = -1;            // -1: unknown characters vanish, or are an error when unk_missing is set
  std::string unk_missing;     // the unknown token, when the vocabulary lacks it
  bool fuse_unk = false;       // neighbouring unknown characters become one
  bool byte_fallback = false;  // unknown characters become <0xNN> pieces
  bool ignore_merges = false;  // a piece that is in the vocabulary is taken whole
};

/// Byte-pair encoding.
class Bpe final : public Model {
 public:
  Bpe(Vocabulary vocab, MergeTable merges, BpeOptions options);

  void encode(std::string_view piece, std::vector<int32_t>& ids) const override;
  void refine(Pieces& pieces) const override;

 private:
  std::vector<int32_t> symbols(std::string_view piece) const;
  bool append_bytes(std::string_view character, std::vector<int32_t>& out) const;

  MergeTable merges_;
  BpeOptions options_;
  std::array<int32_t, 256> byte_ids_{};  // of <0xNN>; -1: not in the vocabulary
  std::optional<SafeCuts> cuts_;
};

std::unique_ptr<Model> make_bpe(const JsonObject& model, TokenizerFile& file);

}  // namespace assay::text
