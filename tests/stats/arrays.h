#pragma once
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "checkpoint/checkpoint.h"
#include "stats/windows.h"
#include "support/support.h"

namespace assay::test {

constexpr Windows kWindows{.rows = 20, .count = 2047, .length = 2048, .stride = 512, .offset = 1};

/// The goldens are right to 1e-9; sums in another order still agree to 1e-12.
inline void expect_close(double actual, double expected, double tolerance = 1e-12) {
  EXPECT_NEAR(actual, expected, std::abs(expected) * tolerance);
}

template <class T = double>
std::vector<T> array(const std::string& name, const char* file = "arrays") {
  const Checkpoint arrays = Checkpoint::open(fixtures() / "stats" / (std::string(file) + ".safetensors"));
  const std::vector<std::byte> bytes = arrays.read(arrays.at(name));
  std::vector<T> values(bytes.size() / sizeof(T));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(T));
  return values;
}

inline const Json& golden() {
  static const Json json = read_json(fixtures() / "stats/expected.json");
  return json;
}

}  // namespace assay::test
