#pragma once
#include "formats/format.h"

namespace assay {

/// The tensor "<module>.weight", or the module itself where it is a parameter; null where there is neither.
const StoredTensor* weight_or_parameter(const Module& module);

/// Rows and columns of that tensor, which is [out, in]; a parameter may be [experts, out, in], seen as experts * out
/// rows. Error for any other shape.
Module::Size matrix_size(const Module& module, const StoredTensor& tensor);

}  // namespace assay
