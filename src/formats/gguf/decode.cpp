#include "formats/gguf/decode.h"

#include "base/error.h"
#include "formats/gguf/types.h"

namespace assay::gguf {

namespace {

template <class Type>
ASSAY_INLINE void decode_all(const uint8_t* bytes, int64_t count, float* out) {
  const auto* blocks = reinterpret_cast<const typename Type::Block*>(bytes);
  for (int64_t i = 0; i < count; ++i) {
    // A copy shares no memory with `out`, which bytes might, for all that the compiler knows.
    const typename Type::Block block = blocks[i];
    Type::decode(block, out + i * Type::kElements);
  }
}

}  // namespace

ASSAY_CLONES void decode_blocks(DType dtype, const uint8_t* blocks, int64_t count, float* out) {
  switch (dtype) {
#define ASSAY_GGUF_TYPE(id, name, elements, bytes, ...)                             \
  case DType::name:                                                                 \
    static_assert(name::kElements == (elements) && sizeof(name::Block) == (bytes)); \
    return decode_all<name>(blocks, count, out);
#include "checkpoint/gguf_types.def"
#undef ASSAY_GGUF_TYPE
    default:
      ASSAY_CHECK(!"a type without blocks");
  }
}

}  // namespace assay::gguf
