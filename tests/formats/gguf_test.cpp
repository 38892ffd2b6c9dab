#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/hash.h"
#include "checkpoint/gguf.h"
#include "formats/format.h"
#include "formats/gguf/decode.h"
#include "support/errors.h"
#include "support/gguf_writer.h"
#include "support/support.h"

namespace assay {
namespace {

/// Every tensor of the fixture decoded on its own, by its name in the file.
TEST(GgufBlocks, RandomBlocksOfEveryTypeDecodeToTheGoldenBits) {
  ASSAY_REQUIRE_FIXTURES();
  const auto dir = test::fixtures() / "gguf/blocks";
  const GgufHeader header = read_gguf(dir / "model.gguf");
  const InputFile file(dir / "model.gguf");
  const Checkpoint goldens = Checkpoint::open(dir / "decoded.safetensors");
  int compared = 0;
  for (const auto& [name, tensor] : header.tensors) {
    const Block block = block_of(tensor.dtype);
    std::vector<std::byte> bytes(tensor.bytes);
    file.read(tensor.offset, bytes);
    std::vector<float> values(static_cast<size_t>(tensor.elements()));
    gguf::decode_blocks(tensor.dtype, reinterpret_cast<const uint8_t*>(bytes.data()),
                        tensor.elements() / block.elements, values.data());
    const std::vector<float> golden = read_floats(goldens, goldens.at(name));
    ASSERT_EQ(values.size(), golden.size());
    int64_t differing = 0;
    for (size_t i = 0; i < values.size(); ++i) {
      // Zeros may differ in sign.
      differing += values[i] != golden[i] && !(std::isnan(values[i]) && std::isnan(golden[i]));
    }
    EXPECT_EQ(differing, 0) << name;
    ++compared;
  }
  EXPECT_EQ(compared, 25);
}

}  // namespace
}  // namespace assay
