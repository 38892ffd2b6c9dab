// How fast tokenizers load and encode, in seconds of one core: bench_tokenize TEXT_FILE TOKENIZER...
#include <fmt/core.h>

#include <algorithm>
#include <ctime>

#include "base/json.h"
#include "tokens/tokenizer.h"

namespace {

// Processor time: the work runs on one thread, and other programs do not blur it.
double seconds_of(const auto& work) {
  const std::clock_t start = std::clock();
  work();
  return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    fmt::print(stderr, "usage: bench_tokenize TEXT_FILE TOKENIZER...\n");
    return 2;
  }
  const std::string text = assay::read_file(argv[1]);
  for (int i = 2; i < argc; ++i) {
    std::unique_ptr<assay::Tokenizer> tokenizer;
    const double load = seconds_of([&] { tokenizer = assay::open_tokenizer(argv[i]); });
    double best = 1e9;
    size_t tokens = 0;
    for (int run = 0; run < 3; ++run)
      best = std::min(best, seconds_of([&] { tokens = tokenizer->encode(text).size(); }));
    fmt::print("load {:6.3f} s  encode {:6.3f} s  {:7.1f} MB/s  {:8} tokens  {}\n", load, best,
               static_cast<double>(text.size()) / 1e6 / best, tokens, argv[i]);
  }
}
