#pragma once
#include <cstdint>

#include "checkpoint/dtype.h"

namespace assay::gguf {

/// `count` consecutive blocks of a type of gguf_types.def as float32.
void decode_blocks(DType dtype, const uint8_t* blocks, int64_t count, float* out);

}  // namespace assay::gguf
