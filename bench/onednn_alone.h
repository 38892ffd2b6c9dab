#pragma once
#include <cstdint>
#include <vector>

/// One matrix product [tokens, in] x [out, in]^T, done `times` times.
struct Product {
  int64_t tokens, out, in, times;
};

/// Seconds that oneDNN itself takes for these products with all its freedom: `threads` threads inside a call, weights
/// in the layout of its choice, whole rows of tokens at once. Nothing else is measured.
double onednn_alone(const std::vector<Product>& products, bool bf16, int threads);
