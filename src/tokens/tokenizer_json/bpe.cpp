#include "tokens/tokenizer_json/bpe.h"

#include "base/error.h"
#include "tokens/tokenizer_json/byte_level.h"
#include "tokens/tokenizer_json/utf8.h"

namespace assay::text {

Bpe::Bpe(Vocabulary vocab, MergeTable merges, BpeOptions options)
    : Model(std::move(vocab)), merges_(std::move(merges)), options_(std::move(options)) {
  for (int byte = 0; byte < 256; ++byte) byte_ids_[byte] = vocab_.find(byte_piece(static_cast<uint8_t>(byte)));
  if (options_.prefix.empty() && options_.suffix.empty() && !options_.ignore_merges) cuts_.emplace(vocab_);
}

void Bpe::refine(Pieces& pieces) const {
  if (cuts_) cuts_->refine(vocab_, pieces);
}

void Bpe::encode(std::string_view piece, std::vector<int32_t>& ids) const {
  if (options_.ignore_merges) {
    if (const int32_t id = vocab_.find(piece); id >= 0) return ids.push_back(id);
  }
  std::vector<int32_t> parts = symbols(piece);
  merges_.apply(parts);
  ids.insert(ids.end(), parts.begin(), parts.end());
}

bool Bpe::append_bytes(std::string_view character, std::vector<int32_t>& out) const {
  for (const char byte : character) {
    if (byte_ids_[static_cast<uint8_t>(byte)] < 0) return false;
  }
  for (const char byte : character) out.push_back(byte_ids_[static_cast<uint8_t>(byte)]);
  return true;
}

/// The characters of a piece as ids.
std::vector<int32_t> Bpe::symbols(std::string_view piece) const {
  std::vector<int32_t> out;
  // An unknown character waits here for the next one to be fused with. As in the reference, bytes of a later character
  // do not push it out, so they may overtake it.
  bool waiting = false;
  const bool affixes = !options_.prefix.empty() || !options_.suffix.empty();
  std::string spelled;
  for (size_t at = 0; at < piece.size();) {
    const size_t begin = at;
    next_char(piece, at);
    std::string_view character = piece.substr(begin, at - begin);
    if (affixes) {
      spelled = begin == 0 ? "" : options_.prefix;
      spelled += character;
      if (at == piece.size()) spelled += options_.suffix;
      character = spelled;
    }
    if (const int32_t id = vocab_.find(character); id >= 0) {
      if (waiting) out.push_back(options_.unk);
      waiting = false;
      out.push_back(id);
    } else if (options_.byte_fallback && append_bytes(character, out)) {
      continue;
    } else if (options_.unk >= 0) {
      if (waiting && !options_.fuse_unk) out.push_back(options_.unk);
      waiting = true;
    } else if (!options_.unk_missing.empty()) {
      fail("character \"{}\" is not in the vocabulary, and neither is the unknown token \"{}\"", character,
           options_.unk_missing);
    }
  }
  if (waiting) out.push_back(options_.unk);
  return out;
}

namespace {

int32_t known(const Vocabulary& vocab, std::string_view piece, const std::string& where, size_t rank) {
  const int32_t id = vocab.find(piece);
  if (id < 0) fail("{}: merges: entry {} needs the piece \"{}\", which is not in the vocabulary", where, rank, piece);
  return id;
}

}  // namespace

std::unique_ptr<Model> make_bpe(const JsonObject& model, TokenizerFile& file) {
  BpeOptions options;
  options.prefix = model.string_or("continuing_subword_prefix", "");
  options.suffix = model.string_or("end_of_word_suffix", "");
  options.fuse_unk = model.boolean_or("fuse_unk", false);
  options.byte_fallback = model.boolean_or("byte_fallback", false);
  options.ignore_merges = model.boolean_or("ignore_merges", false);
  if (model.number_or("dropout", 0) != 0) {
    model.refuse("dropout", "null or 0, since with dropout the same text has different ids every time");
  }
  if (model.has("unk_token")) {
    options.unk = file.vocab.find(model.string("unk_token"));
    if (options.unk < 0) options.unk_missing = model.string("unk_token");
  }
  MergeTable merges;
  merges.reserve(file.merges.size());
  std::string product;
  for (size_t rank = 0; rank < file.merges.size(); ++rank) {
    const auto [left, right] = file.merges[rank];
    const int32_t left_id = known(file.vocab, left, model.where(), rank);
    const int32_t right_id = known(file.vocab, right, model.where(), rank);
    if (right.size() < options.prefix.size()) {
      fail("{}: merges: entry {}: \"{}\" is shorter than the prefix \"{}\"", model.where(), rank, right,
           options.prefix);
    }
    product = left;
    product += right.substr(options.prefix.size());
    merges.set(left_id, right_id, {static_cast<uint32_t>(rank), known(file.vocab, product, model.where(), rank)});
  }
  return std::make_unique<Bpe>(std::move(file.vocab), std::move(merges), std::move(options));
}

}  // namespace assay::text
