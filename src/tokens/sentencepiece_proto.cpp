#include <bit>
#include <cmath>

#include "base/error.h"
#include "tokens/sentencepiece.h"

namespace assay {

namespace {

/// One field of a protobuf message: its number, and its value as an integer or as bytes.
struct Field {
  uint64_t number = 0;
  uint64_t integer = 0;    // varint and fixed-width values
  std::string_view bytes;  // strings and messages
};

/// Walks the fields of a message; every length is checked against what is left.
class Message {
 public:
  Message(std::string_view bytes, const std::string& where) : rest_(bytes), where_(where) {}

  bool next(Field& field) {
    if (rest_.empty()) return false;
    const uint64_t tag = varint();
    field = {tag >> 3, 0, {}};
    switch (tag & 7) {
      case 0:
        field.integer = varint();
        break;
      case 1:
        field.integer = fixed(8);
        break;
      case 2:
        field.bytes = take(varint());
        break;
      case 5:
        field.integer = fixed(4);
        break;
      default:
        fail("{}: not a SentencePiece model: protobuf field {} has wire type {}", where_, field.number, tag & 7);
    }
    return true;
  }

 private:
  std::string_view take(uint64_t count) {
    if (count > rest_.size()) {
      fail("{}: damaged or cut short: a field of {} bytes, with {} bytes left", where_, count, rest_.size());
    }
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }
  uint64_t fixed(int width) {
    uint64_t value = 0;
    const std::string_view bytes = take(width);
    for (int i = width - 1; i >= 0; --i) value = value << 8 | static_cast<uint8_t>(bytes[i]);
    return value;
  }
  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<uint8_t>(take(1)[0]);
      value |= uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) return value;
    }
    fail("{}: damaged: a protobuf integer of more than ten bytes", where_);
  }

  std::string_view rest_;
  const std::string& where_;
};

SentencePieceModel::Piece parse_piece(std::string_view bytes, const std::string& where, size_t id) {
  SentencePieceModel::Piece piece;
  Message message(bytes, where);
  for (Field field; message.next(field);) {
    if (field.number == 1) piece.text = field.bytes;
    if (field.number == 2) piece.score = std::bit_cast<float>(static_cast<uint32_t>(field.integer));
    if (field.number == 3) {
      if (field.integer < 1 || field.integer > 6) {
        fail("{}: piece {} has type {}, expected 1 to 6", where, id, field.integer);
      }
      piece.type = static_cast<SentencePieceModel::Type>(field.integer);
    }
  }
  if (piece.text.empty()) fail("{}: piece {} is empty", where, id);
  if (!std::isfinite(piece.score)) fail("{}: the score of piece {} is not a number", where, id);
  return piece;
}

void parse_trainer(std::string_view bytes, const std::string& where, SentencePieceModel& model) {
  Message message(bytes, where);
  for (Field field; message.next(field);) {
    if (field.number == 3) {
      if (field.integer != 1 && field.integer != 2) {
        fail("{}: model type {}, expected 1 (Unigram) or 2 (BPE)", where, field.integer);
      }
      model.kind = static_cast<SentencePieceModel::Kind>(field.integer);
    }
    if (field.number == 24) model.whitespace_as_suffix = field.integer != 0;
    if (field.number == 35) model.byte_fallback = field.integer != 0;
    if (field.number == 44) model.unk_surface = field.bytes;
    if (field.number == 46) model.bos_piece = field.bytes;
    if (field.number == 47) model.eos_piece = field.bytes;
  }
}

void parse_normalizer(std::string_view bytes, const std::string& where, SentencePieceModel& model) {
  Message message(bytes, where);
  for (Field field; message.next(field);) {
    if (field.number == 2) model.charsmap = field.bytes;
    if (field.number == 3) model.add_dummy_prefix = field.integer != 0;
    if (field.number == 4) model.remove_extra_whitespaces = field.integer != 0;
    if (field.number == 5) model.escape_whitespaces = field.integer != 0;
  }
}

}  // namespace

SentencePieceModel parse_sentencepiece(std::string_view bytes, const std::string& where) {
  SentencePieceModel model;
  Message message(bytes, where);
  for (Field field; message.next(field);) {
    if (field.number == 1) model.pieces.push_back(parse_piece(field.bytes, where, model.pieces.size()));
    if (field.number == 2) parse_trainer(field.bytes, where, model);
    if (field.number == 3) parse_normalizer(field.bytes, where, model);
  }
  if (model.pieces.empty()) fail("{}: not a SentencePiece model: it holds no pieces", where);
  return model;
}

}  // namespace assay
