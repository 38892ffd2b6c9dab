#pragma once
#include <iosfwd>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "tokens/tokenizer.h"

namespace assay::test {

/// One tokenizer with ground truth.
struct Golden {
  std::string name;      // as in test names
  std::string file;      // relative to shared data ("tokenizers/...") or to the fixtures' token folder
  std::string expected;  // relative to the fixtures' token folder
};

void PrintTo(const Golden& golden, std::ostream* out);

std::vector<Golden> all_goldens();
/// Without the small tokenizers of single components.
std::vector<Golden> goldens_with_wikitext();

/// Opened once for all tests of the program: the large ones take half a second.
std::shared_ptr<const Tokenizer> shared_tokenizer(const Golden& golden);

std::vector<std::string> hard_texts();

/// Expects the ids `want[i]` for every text, or the entry of `otherwise` under i where it has one. Reports the first
/// few differences; `mode` names the options.
void expect_encodes(const char* mode, const Tokenizer& tokenizer, const std::vector<std::string>& texts,
                    EncodeOptions options, const Json& want, const Json* otherwise = nullptr);

/// The text of wiki2 under "P1", "P2" or "P3" of the benchmark protocol.
std::string wikitext(const std::string& protocol);

}  // namespace assay::test
