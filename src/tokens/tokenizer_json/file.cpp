#include "tokens/tokenizer_json/file.h"

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace assay::text {

namespace {

constexpr size_t kMaxDepth = 100;

/// Receives the events of the JSON parser; routes the two big lists away from the value that is being built.
class Reader {
 public:
  explicit Reader(TokenizerFile& file) : file_(file), rest_(std::make_shared<Json>()) { file.rest = rest_; }

  bool null() { return scalar(nullptr); }
  bool boolean(bool value) { return scalar(value); }
  bool number_integer(int64_t value) { return number(value, static_cast<double>(value)); }
  bool number_unsigned(uint64_t value) { return number(value, static_cast<double>(value)); }
  bool number_float(double value, const std::string&) {
    return place_ == Place::kScored ? score(value) : scalar(value);
  }
  bool binary(Json::binary_t&) { return false; }

  bool string(std::string& value) {
    switch (place_) {
      case Place::kRest:
        return scalar(std::move(value));
      case Place::kMerges:
        return merge_line(value);
      case Place::kMerge:
        (items_ == 0 ? first_ : second_) = std::move(value);
        return item();
      case Place::kScored:
        if (items_ != 0) unexpected("a string where a score belongs");
        first_ = std::move(value);
        return item();
      default:
        unexpected("a string");
    }
  }

  bool key(std::string& name) {
    if (place_ == Place::kVocab) {
      first_ = std::move(name);
      return true;
    }
    if (stack_.size() == 1) root_key_ = name;
    if (stack_.size() == 2) model_key_ = name;
    key_ = std::move(name);
    return true;
  }

  bool start_object(size_t) {
    if (place_ == Place::kRest && in_model("vocab")) {
      place_ = Place::kVocab;
      return true;
    }
    if (place_ != Place::kRest) unexpected("an object");
    return open(Json::object());
  }
  bool end_object() { return close(); }

  bool start_array(size_t) {
    switch (place_) {
      case Place::kRest:
        if (in_model("vocab")) place_ = Place::kScoredList;
        if (in_model("merges")) place_ = Place::kMerges;
        return place_ == Place::kRest ? open(Json::array()) : true;
      case Place::kScoredList:
        place_ = Place::kScored;
        break;
      case Place::kMerges:
        place_ = Place::kMerge;
        break;
      default:
        unexpected("a list");
    }
    items_ = 0;
    return true;
  }

  bool end_array() {
    switch (place_) {
      case Place::kScored:
        if (items_ != 2) unexpected("an entry that is not [piece, score]");
        file_.scored.push_back({std::move(first_), score_});
        place_ = Place::kScoredList;
        return true;
      case Place::kMerge:
        if (items_ != 2) unexpected("an entry that is not [left, right]");
        file_.merges.push(first_, second_);
        place_ = Place::kMerges;
        return true;
      default:
        return close();
    }
  }

  template <class Exception>
  bool parse_error(size_t position, const std::string&, const Exception& error) {
    std::string reason = error.what();
    if (const auto bracket = reason.find("] "); bracket != std::string::npos) reason = reason.substr(bracket + 2);
    fail("{}: not valid JSON at byte {}: {}", file_.where, position, reason);
  }

 private:
  enum class Place { kRest, kVocab, kScoredList, kScored, kMerges, kMerge };

  bool in_model(std::string_view name) const {
    return stack_.size() == 2 && root_key_ == "model" && model_key_ == name && stack_.back()->is_object();
  }

  template <class Value>
  bool scalar(Value&& value) {
    if (place_ != Place::kRest) unexpected("a value of the wrong type");
    add(Json(std::forward<Value>(value)));
    return true;
  }

  template <class Integer>
  bool number(Integer value, double as_score) {
    if (place_ == Place::kScored) return score(as_score);
    if (place_ != Place::kVocab) return scalar(value);
    if (value < 0 || value > static_cast<Integer>(INT32_MAX - 1)) {
      fail("{}: model.vocab: piece \"{}\" has id {}, expected 0 to {}", file_.where, first_, value, INT32_MAX - 1);
    }
    if (!file_.vocab.insert(first_, static_cast<int32_t>(value))) {
      fail("{}: model.vocab: piece \"{}\" is listed twice", file_.where, first_);
    }
    return true;
  }

  bool item() {
    if (++items_ > 2) unexpected("an entry of more than two items");
    return true;
  }
  bool score(double value) {
    if (items_ != 1) unexpected("a score where a piece belongs");
    score_ = value;
    return item();
  }

  bool merge_line(const std::string& line) {
    if (line.starts_with("#version")) return true;
    const size_t space = line.find(' ');
    if (space == std::string::npos || line.find(' ', space + 1) != std::string::npos) {
      fail("{}: model.merges: entry {} is \"{}\", expected two pieces with one space between", file_.where,
           file_.merges.size(), line);
    }
    file_.merges.push(std::string_view(line).substr(0, space), std::string_view(line).substr(space + 1));
    return true;
  }

  Json* add(Json value) {
    if (stack_.empty()) return &(*rest_ = std::move(value));
    Json& parent = *stack_.back();
    if (parent.is_object()) return &(parent[key_] = std::move(value));
    parent.push_back(std::move(value));
    return &parent.back();
  }
  bool open(Json value) {
    if (stack_.size() == kMaxDepth) fail("{}: JSON nested deeper than {} levels", file_.where, kMaxDepth);
    stack_.push_back(add(std::move(value)));
    return true;
  }
  bool close() {
    if (place_ == Place::kRest) {
      stack_.pop_back();
    } else {
      place_ = Place::kRest;
    }
    return true;
  }

  [[noreturn]] void unexpected(const char* found) const {
    const bool merges = place_ == Place::kMerges || place_ == Place::kMerge;
    fail("{}: model.{}: found {}, after \"{}\"", file_.where, merges ? "merges" : "vocab", found, first_);
  }

  TokenizerFile& file_;
  std::shared_ptr<Json> rest_;
  std::vector<Json*> stack_;  // the open objects and lists of `rest_`
  std::string key_, root_key_, model_key_;
  Place place_ = Place::kRest;
  std::string first_, second_;
  double score_ = 0;
  int items_ = 0;  // of the innermost entry
};

}  // namespace

void MergeList::push(std::string_view left, std::string_view right) {
  if (text_.size() + left.size() + right.size() > UINT32_MAX) fail("merges of more than 4 GiB of text");
  text_ += left;
  ends_.push_back(static_cast<uint32_t>(text_.size()));
  text_ += right;
  ends_.push_back(static_cast<uint32_t>(text_.size()));
}

std::pair<std::string_view, std::string_view> MergeList::operator[](size_t rank) const {
  const uint32_t begin = rank == 0 ? 0 : ends_[2 * rank - 1], middle = ends_[2 * rank], end = ends_[2 * rank + 1];
  const std::string_view text = text_;
  return {text.substr(begin, middle - begin), text.substr(middle, end - middle)};
}

TokenizerFile parse_tokenizer_file(std::string_view text, const std::string& where) {
  TokenizerFile file;
  file.where = where;
  Reader reader(file);
  Json::sax_parse(text, &reader);
  file.vocab.index_ids(where + ": model.vocab");
  return file;
}

}  // namespace assay::text
